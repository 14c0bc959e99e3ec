/** A coordinator in 256 MB: many workers, many large results, and a client that reads them slowly. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Down } from '@rma/protocol/down';
import { packPayload } from '@rma/protocol/payload';
import { afterEach, expect, it } from 'vitest';
import { type CoordinatorProcess, startCoordinatorProcess } from '../support/coordinator-process.js';
import { limitMemory, type MemoryLimit } from '../support/memory-limit.js';
import { needs } from '../support/needs.js';
import { echoTask, Peer, workerHello } from '../support/peer.js';

const MIB = 2 ** 20;
const LIMIT_BYTES = 256 * MIB;
const MAX_RSS_BYTES = 200e6;
const WORKERS = 500;
const TASKS = 6_000;
const OUTPUT = packPayload('x'.repeat(60_000));
/** Ended tasks that the slow client reads a second: about 1.2 MB. */
const ENDS_PER_SECOND = 20;
const READ_SECONDS = 15;

let limit: MemoryLimit | undefined;
let coordinator: CoordinatorProcess | undefined;
const data = mkdtempSync(join(tmpdir(), 'rma-memory-'));

afterEach(async () => {
  await coordinator?.stop();
  limit?.remove();
  rmSync(data, { recursive: true, force: true });
});

/** The most that was ever resident. */
function peakRss(pid: number): number {
  return Number(/VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) * 1_024;
}

/** Answers each dispatch with the large output. */
function answer(peer: Peer): void {
  peer.onMessage = (message: Down) => {
    if (message.type !== 'dispatch') return false;
    const results = message.tasks.map(({ task, attempt }) => ({ task, attempt, output: OUTPUT }));
    for (const result of results) peer.send({ type: 'results', results: [result] });
    return true;
  };
}

/** Reads at most `ENDS_PER_SECOND` for a while, with heartbeats all along; the ids that ended. */
async function readSlowly(peer: Peer): Promise<Set<string>> {
  const ended = new Set<string>();
  let room = 0;
  peer.onMessage = (message) => {
    if (message.type !== 'ended') return true;
    for (const { task } of message.tasks) ended.add(task);
    room -= message.tasks.length;
    if (room <= 0) peer.stall();
    return true;
  };
  for (let second = 0; second < READ_SECONDS; second++) {
    room = ENDS_PER_SECOND;
    peer.resume();
    await new Promise((resolve) => setTimeout(resolve, 1_000));
  }
  return ended;
}

it('goes on with 500 workers and 6,000 large results that a slow client watches', {
  ...needs('memoryLimit'),
  timeout: 240_000,
}, async () => {
  limit = limitMemory(LIMIT_BYTES);
  coordinator = await startCoordinatorProcess(data, { prefix: limit.prefix });
  const { url, pid } = coordinator;
  const workers: Peer[] = [];
  for (let n = 0; n < WORKERS; n++) {
    const { peer } = await Peer.worker(url, coordinator.token('join'), workerHello({ slots: 2 }));
    answer(peer);
    workers.push(peer);
  }
  const client = await Peer.client(url, coordinator.token('client'));
  const tasks = Array.from({ length: TASKS }, () => echoTask());
  for (let from = 0; from < TASKS; from += 500) client.send({ type: 'submit', tasks: tasks.slice(from, from + 500) });
  const admin = await Peer.client(url, coordinator.token('admin'));
  const succeeded = async () => {
    const stats = (await admin.ask({ type: 'query', query: { what: 'stats' } }, 60_000)) as {
      tasks: { byState: Record<string, number> };
    };
    return stats.tasks.byState.succeeded ?? 0;
  };
  await expect.poll(succeeded, { timeout: 120_000, interval: 250 }).toBe(TASKS);

  const slow = await Peer.client(url, coordinator.token('client'));
  for (let from = 0; from < TASKS; from += 500) {
    const watched = tasks.slice(from, from + 500).map(({ id }) => ({ task: id }));
    slow.send({ type: 'watch', tasks: watched });
  }
  const ended = await readSlowly(slow);
  expect(ended.size).toBeGreaterThan((ENDS_PER_SECOND * READ_SECONDS) / 2);
  // Everybody else is served meanwhile, and nobody was disconnected.
  expect(await succeeded()).toBe(TASKS);
  expect(limit.failures()).toBe(0);
  expect(peakRss(pid)).toBeLessThan(MAX_RSS_BYTES);
  for (const peer of [...workers, client, admin, slow]) await peer.close();
});
