/** What the coordinator acknowledges is on disk: checked by strace, frame by frame; not so with `--synchronous NORMAL`. */
import { createHash, randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { packPayload } from '@rma/protocol/payload';
import { SUBPROTOCOL_JSON } from '@rma/protocol/version';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type CoordinatorProcess, startCoordinatorProcess } from '../support/coordinator-process.js';
import { needs } from '../support/needs.js';
import { echoTask, newTaskId, Peer, workerHello } from '../support/peer.js';
import { readTrace, straceTo } from './strace.js';
import { judgeTrace, type Verdict } from './sync-rule.js';

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'rma-strace-'));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

/** Drives a traced coordinator through everything that it promises, then judges the trace. */
async function trace(...args: string[]): Promise<Verdict> {
  const file = join(dir, 'trace.txt');
  const data = join(dir, 'data');
  const coordinator = await startCoordinatorProcess(data, { args, prefix: straceTo(file) });
  try {
    await drive(coordinator);
  } finally {
    // strace ends with what it runs.
    process.kill(Number(/^process (\d+)/.exec(readFileSync(join(data, 'lock.txt'), 'utf8'))?.[1]), 'SIGTERM');
    await coordinator.exited;
  }
  return judgeTrace(readTrace(file));
}

async function drive(coordinator: CoordinatorProcess): Promise<void> {
  const { url } = coordinator;
  const client = await Peer.client(url, coordinator.token('client'), { subprotocol: SUBPROTOCOL_JSON });
  const admin = await Peer.client(url, coordinator.token('admin'), { subprotocol: SUBPROTOCOL_JSON });
  const { peer: worker } = await Peer.worker(url, coordinator.token('join'), workerHello({ slots: 2 }));

  // One after the other, each with a chunk: every commit has to be synced for itself.
  for (let i = 0; i < 5; i++) {
    const task = echoTask({ i });
    client.send({ type: 'submit', tasks: [task], watch: true });
    await client.waitFor('accepted');
    const { tasks } = await worker.waitFor('dispatch');
    const { attempt } = tasks[0]!;
    worker.send({ type: 'chunks', chunks: [{ task: task.id, attempt, chunk: 1, data: packPayload('part') }] });
    await worker.waitFor('acknowledged', ({ chunks }) => chunks !== undefined);
    worker.send({ type: 'results', results: [{ task: task.id, attempt, output: packPayload({ i }) }] });
    await worker.waitFor('acknowledged', ({ results }) => results !== undefined);
    await client.waitFor('ended');
  }

  // Many at once over two slots: turns that mix submits, dispatches and results.
  const many = Array.from({ length: 60 }, (_, i) => echoTask(i));
  worker.onMessage = (message) => {
    if (message.type !== 'dispatch') return false;
    for (const { task, attempt, input } of message.tasks) {
      worker.send({ type: 'results', results: [{ task, attempt, output: input }] });
    }
    return true;
  };
  for (const task of many) client.send({ type: 'submit', tasks: [task], watch: true });
  const open = new Set(many.map(({ id }) => id));
  while (open.size > 0) for (const { task } of (await client.waitFor('ended')).tasks) open.delete(task);
  worker.onMessage = () => false;

  const cancelled = echoTask('cancelled');
  client.send({ type: 'submit', tasks: [cancelled], watch: true });
  await worker.waitFor('dispatch');
  client.send({ type: 'cancel', ref: 7, task: cancelled.id });
  await client.reply(7);
  await client.waitFor('ended');

  const bytes = randomBytes(40_000);
  const blob = createHash('sha256').update(bytes).digest('hex');
  client.send({ type: 'blob.put', stream: 1, blob, size: bytes.length });
  await client.waitFor('blob.ready');
  for (let at = 0; at < bytes.length; at += 16_384) client.sendData(1, bytes.subarray(at, at + 16_384));
  client.send({ type: 'stream.end', stream: 1 });
  await client.waitFor('blob.stored');
  const withBlob = { id: newTaskId(), kind: 'echo', input: packPayload({ $blob: blob, size: 40_000, as: 'bytes' }) };
  client.send({ type: 'submit', tasks: [{ ...withBlob, blobs: [blob] }] });
  await client.waitFor('accepted', ({ tasks }) => tasks.includes(withBlob.id));

  admin.send({ type: 'act', ref: 8, action: { do: 'token.create', role: 'client', name: 'somebody' } });
  await admin.reply(8);
  await Promise.all([client.close(), admin.close(), worker.close()]);
}

describe('a promise of the coordinator', needs('strace'), () => {
  it('leaves only after the log was synced', async () => {
    const { promises, broken } = await trace();
    expect(broken).toEqual([]);
    const seen = Object.fromEntries(promises);
    expect(seen).toMatchObject({ accepted: 67, dispatch: 67, ended: 66, reply: 2, 'blob.stored': 1, welcome: 1 });
    expect(seen.acknowledged).toBeGreaterThanOrEqual(65);
    expect(seen.chunks).toBe(5);
    expect(seen.chunk).toBe(5);
  });

  it('leaves too early with --synchronous NORMAL, and this test detects it', async () => {
    const { promises, broken } = await trace('--synchronous', 'NORMAL');
    for (const type of ['accepted', 'dispatch', 'acknowledged']) {
      expect(promises.get(type)).toBeGreaterThan(0);
      expect(broken.some((line) => line.startsWith(type))).toBe(true);
    }
  });
});
