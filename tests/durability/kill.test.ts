/** SIGKILL at random moments while tasks and results pour in: what was promised is there afterwards, and once only. */
import { randomInt } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { packPayload } from '@rma/protocol/payload';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { type CoordinatorProcess, startCoordinatorProcess } from '../support/coordinator-process.js';
import { echoTask } from '../support/peer.js';
import { SteadyClient, SteadyWorker } from '../support/steady-peers.js';
import { brokenPromises, readRecord } from './pool-record.js';

const KILLS = 10;
/** Submitted and not ended, at most. */
const IN_FLIGHT = 200;

let data: string;
let coordinator: CoordinatorProcess;
beforeEach(async () => {
  data = mkdtempSync(join(tmpdir(), 'rma-kill-'));
  coordinator = await startCoordinatorProcess(data);
});
afterEach(async () => {
  await coordinator.kill();
  rmSync(data, { recursive: true, force: true });
});

it(`loses nothing that it promised, and does nothing twice, over ${KILLS} kills`, { timeout: 120_000 }, async () => {
  const tokens = { client: coordinator.token('client'), admin: coordinator.token('admin') };
  const url = () => coordinator.url;
  const worker = new SteadyWorker(url, coordinator.token('join'), { slots: 64 });
  let run = 0;
  worker.answer = ({ task, attempt }) => packPayload({ task, attempt, run: run++ });
  const client = new SteadyClient(url, tokens.client);
  let pouring = true;
  const pour = () => {
    while (pouring && client.unanswered.size + client.accepted.size - client.ended.size < IN_FLIGHT) {
      client.submit(echoTask('x'.repeat(randomInt(2_000))));
    }
    return !pouring;
  };
  try {
    const poured = client.until(pour, 'the stream of tasks was stopped', 100_000);
    for (let kill = 0; kill < KILLS; kill++) {
      const before = { ended: client.ended.size, sessions: client.sessions };
      // A random amount of work, and a pause that no frame decides, so that the kill falls anywhere.
      const work = randomInt(600);
      await client.until(() => client.ended.size >= before.ended + work, `${work} tasks had ended`);
      await pause(Math.random() * 20);
      await coordinator.kill();
      coordinator = await startCoordinatorProcess(data);
      await client.until(() => client.sessions > before.sessions, 'the client was back');
    }
    pouring = false;
    await poured;
    const done = () => client.unanswered.size === 0 && client.ended.size === client.accepted.size;
    await client.until(done, 'every task had ended');
    const record = await readRecord(coordinator.url, tokens, client.accepted);
    expect(brokenPromises(record, client, worker)).toEqual([]);
    expect(client.refused.size).toBe(0);
    expect(record.ended.size).toBe(client.accepted.size);
    expect(worker.acknowledged.size).toBeGreaterThan(KILLS);
  } finally {
    await client.stop();
    await worker.stop();
  }
});
