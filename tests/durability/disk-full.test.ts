/** A disk without a free page: nothing new is taken, what runs still ends, and all goes on once there is room. */
import { createHash, randomBytes } from 'node:crypto';
import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { packPayload } from '@rma/protocol/payload';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type CoordinatorProcess, StartFailed, startCoordinatorProcess } from '../support/coordinator-process.js';
import { needs } from '../support/needs.js';
import { echoTask, Peer } from '../support/peer.js';
import { SteadyClient, SteadyWorker } from '../support/steady-peers.js';
import { Tmpfs } from '../support/tmpfs.js';
import { brokenPromises, readRecord } from './pool-record.js';

// A tenth of the default reserve would do for the results; the rest is for the WAL that carries them.
const ARGS = ['--reserve-mib', '8'];

describe('on a full disk', { ...needs('tmpfs'), timeout: 120_000 }, () => {
  let disk: Tmpfs;
  let data: string;
  let coordinator: CoordinatorProcess;
  let client: SteadyClient;
  let worker: SteadyWorker;
  let tokens: { client: string; admin: string };

  beforeEach(async () => {
    disk = new Tmpfs(48);
    data = join(disk.dir, 'data');
    mkdirSync(data);
    coordinator = await startCoordinatorProcess(data, { args: ARGS });
    tokens = { client: coordinator.token('client'), admin: coordinator.token('admin') };
    const url = () => coordinator.url;
    client = new SteadyClient(url, tokens.client);
    // Of a stranger's slots so many are not believed before it returned results.
    worker = new SteadyWorker(url, coordinator.token('local'), { slots: 30 });
  });
  afterEach(async () => {
    await client.stop();
    await worker.stop();
    await coordinator.kill();
    disk.unmount();
  });

  /** Submits until one is refused; what is accepted before that counts like any other. */
  async function untilRefused(): Promise<string> {
    for (;;) {
      const answer = await client.answer(echoTask('x'.repeat(1_000)));
      if (answer !== 'accepted') return answer;
    }
  }

  async function untilAccepted(): Promise<void> {
    while ((await client.answer(echoTask('again'))) !== 'accepted');
  }

  /** Sends these bytes as a blob; answers how that ended. */
  async function upload(bytes: Buffer): Promise<string> {
    const blob = createHash('sha256').update(bytes).digest('hex');
    const peer = await Peer.client(coordinator.url, tokens.client);
    try {
      peer.send({ type: 'blob.put', stream: 1, blob, size: bytes.length });
      const end = () => {
        const found = peer.inbox.find(({ type }) => type === 'stream.abort' || type === 'blob.stored');
        return found?.type === 'stream.abort' ? found.error.kind : found?.type;
      };
      const ready = await peer.until(() => end() ?? peer.inbox.find(({ type }) => type === 'blob.ready'), 'an answer');
      if (typeof ready !== 'string') {
        for (let at = 0; at < bytes.length; at += 16_384) peer.sendData(1, bytes.subarray(at, at + 16_384));
        peer.send({ type: 'stream.end', stream: 1 });
      }
      return await peer.until(end, 'the end of the upload');
    } finally {
      await peer.close();
    }
  }

  it('refuses submits and uploads, accepts results of running attempts, and recovers by itself', async () => {
    for (let i = 0; i < 30; i++) client.submit(echoTask(i));
    await worker.until(() => worker.running.size === 30, 'thirty attempts ran');

    disk.fill();
    expect(await untilRefused()).toBe('storage_full');
    expect(await upload(randomBytes(100_000))).toBe('storage_full');

    await worker.until(() => worker.peer !== undefined, 'the worker was back');
    const held = [...worker.running.values()];
    for (const dispatch of held) worker.finish(dispatch, packPayload('y'.repeat(10_000)));
    await worker.until(
      () => held.every((d) => worker.acknowledged.has(`${d.task}#${d.attempt}`)),
      'the results counted',
    );
    await client.until(() => held.every(({ task }) => client.ended.has(task)), 'the tasks had ended');
    expect(await untilRefused()).toBe('storage_full');

    disk.empty();
    worker.answer = ({ input }) => input;
    for (const dispatch of [...worker.running.values()]) worker.finish(dispatch, dispatch.input);
    await untilAccepted();
    await client.until(() => client.ended.size === client.accepted.size, 'everything had ended');
    expect(await upload(randomBytes(100_000))).toBe('blob.stored');

    const record = await readRecord(coordinator.url, tokens, client.accepted);
    expect(brokenPromises(record, client, worker)).toEqual([]);
    const space = record.events.filter((type) => type.startsWith('storage.'));
    expect(space).toContain('storage.full');
    expect(space.at(-1)).toBe('storage.recovered');
  });

  it('still serves reads when not even the reserve is left, and asks workers to reconnect', async () => {
    for (let i = 0; i < 30; i++) client.submit(echoTask(i));
    await worker.until(() => worker.running.size === 30, 'thirty attempts ran');
    // What the coordinator gives up for results is taken, too.
    disk.fill();
    expect(await untilRefused()).toBe('storage_full');
    disk.fill();
    const held = [...worker.running.values()];
    for (const dispatch of held) worker.finish(dispatch, packPayload('y'.repeat(60_000)));
    await worker.until(() => worker.refusals > 2, 'the worker was asked to reconnect');

    // A pool that rebuilt itself at every try would end these two.
    const admin = await Peer.client(coordinator.url, tokens.admin);
    admin.send({ type: 'act', ref: 1, action: { do: 'worker.revoke', worker: 'w-0000' } });
    await expect(admin.reply(1)).rejects.toThrow('disk is full');
    admin.send({ type: 'query', ref: 2, query: { what: 'stats' } });
    expect(await admin.reply(2)).toMatchObject({ storage: { state: 'full' } });
    const seen = worker.refusals;
    await worker.until(() => worker.refusals > seen + 2, 'the worker asked some more');
    admin.send({ type: 'query', ref: 3, query: { what: 'stats' } });
    expect(await admin.reply(3)).toMatchObject({ storage: { state: 'full' } });
    await admin.close();
    expect(await untilRefused()).toBe('storage_full');
    expect(coordinator.log().split('found no room').length).toBeLessThan(10);

    disk.empty();
    await client.until(() => held.every(({ task }) => client.ended.has(task)), 'the tasks had ended');
    await untilAccepted();
    worker.answer = ({ input }) => input;
    for (const dispatch of [...worker.running.values()]) worker.finish(dispatch, dispatch.input);
    await client.until(() => client.ended.size === client.accepted.size, 'everything had ended');
    const record = await readRecord(coordinator.url, tokens, client.accepted);
    expect(brokenPromises(record, client, worker)).toEqual([]);
    expect(held.map(({ task }) => client.ended.get(task)?.attempts)).toEqual(held.map(() => 1));
    expect(record.events.filter((type) => type.startsWith('storage.')).at(-1)).toBe('storage.recovered');
  });

  it('restarts in the room of the reserve, and accepts results', async () => {
    for (let i = 0; i < 30; i++) client.submit(echoTask(i));
    await worker.until(() => worker.running.size === 30, 'thirty attempts ran');
    await coordinator.kill();
    disk.fill();
    coordinator = await startCoordinatorProcess(data, { args: ARGS });
    await worker.until(() => worker.sessions === 2, 'the worker was back');
    expect(await untilRefused()).toBe('storage_full');
    const held = [...worker.running.values()];
    for (const dispatch of held) worker.finish(dispatch, packPayload('y'.repeat(10_000)));
    await client.until(() => held.every(({ task }) => client.ended.has(task)), 'the tasks had ended');
  });

  it('names the full disk and a remedy when it cannot even start, and starts once there is room', async () => {
    expect(await client.answer(echoTask())).toBe('accepted');
    await coordinator.kill();
    rmSync(join(data, 'reserve.bin'));
    disk.fill();
    const failed = await startCoordinatorProcess(data, { args: ARGS }).catch((error: unknown) => error);
    expect(failed).toBeInstanceOf(StartFailed);
    const { exit, stderr } = failed as StartFailed;
    expect(exit.code).toBe(1);
    expect(stderr).toContain(data);
    expect(stderr).toContain('full');
    expect(stderr).toContain('make room');
    disk.empty();
    coordinator = await startCoordinatorProcess(data, { args: ARGS });
    const record = await readRecord(coordinator.url, tokens, client.accepted);
    expect([...record.unknown]).toEqual([]);
  });

  it('loses nothing it accepted when the last byte goes while submits pour in, also by a kill', async () => {
    worker.answer = ({ input }) => input;
    let pouring = true;
    const pour = () => {
      for (let i = 0; pouring && i < 20 && client.unanswered.size < 200; i++) {
        client.submit(echoTask('z'.repeat(8_000)));
      }
      return !pouring;
    };
    const poured = client.until(pour, 'the stream of tasks was stopped', 100_000);
    await client.until(() => client.ended.size > 100, 'a hundred tasks had ended');
    const refusals = () => [...client.refused.values()].filter((kind) => kind === 'storage_full').length;
    // Whatever the coordinator gives up for results is taken, too: there is no free page at all.
    for (let round = 0; round < 3; round++) {
      const before = refusals();
      disk.fill();
      await client.until(() => refusals() > before + 50, 'submits were refused');
    }
    disk.fill();
    await coordinator.kill();
    disk.empty();
    coordinator = await startCoordinatorProcess(data, { args: ARGS });
    await untilAccepted();
    pouring = false;
    await poured;
    await client.until(() => client.unanswered.size === 0, 'every submit was answered');
    await client.until(() => client.ended.size === client.accepted.size, 'everything had ended');
    expect([...client.refused.values()].every((kind) => kind === 'storage_full')).toBe(true);
    const record = await readRecord(coordinator.url, tokens, client.accepted);
    expect(brokenPromises(record, client, worker)).toEqual([]);
  });
});
