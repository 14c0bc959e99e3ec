/**
 * Damaged frames of every message type, from every role, in both subprotocols: the coordinator neither crashes nor
 * grows, and goes on with its work. RMA_TEST_LONG=1 sends 200,000, RMA_FUZZ_FRAMES any number; RMA_FUZZ_SEED repeats a run.
 */
import { packPayload } from '@rma/protocol/payload';
import type { TaskView } from '@rma/protocol/view';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { echoTask, Peer, workerHello } from '../support/peer.js';
import { eventually } from '../support/pool.js';
import { FuzzHost, type Measure } from './fuzz-host.js';
import { fuzz, type Tally, type Tokens } from './fuzzer.js';

const FRAMES = Number(process.env.RMA_FUZZ_FRAMES ?? (process.env.RMA_TEST_LONG ? 200_000 : 3_000));
const SEED = Number(process.env.RMA_FUZZ_SEED ?? Date.now() % 1_000_000);
const WARM_UP = 3_000;
const MAX_GROWTH_BYTES = 10 * 1_048_576;
/** What proves that frames got past the door: without these a run would say little. A short one may need more frames. */
const EXPECTED_ANSWERS = ['accepted', 'dispatch', 'ended', 'acknowledged', 'blob.stored', 'data', 'reply', 'events'];
const MORE_ROUNDS = 3;

let host: FuzzHost;
let tokens: Tokens;

beforeAll(async () => {
  host = await FuzzHost.start();
  const workers = await Promise.all([1, 2, 3].map(() => Peer.worker(host.url, host.tokens.join, workerHello())));
  await Promise.all(workers.map(({ peer }) => peer.close()));
  const admin = await Peer.client(host.url, host.tokens.admin);
  const action = { do: 'token.create', role: 'join', name: 'fuzz', uses: 150 } as const;
  const { token } = (await admin.ask({ type: 'act', action })) as { token: string };
  await admin.close();
  const credentials = workers.map(({ credential }) => credential);
  tokens = {
    admin: [host.tokens.admin],
    client: [host.tokens.client],
    worker: credentials.slice(0, 2),
    // The third worker is one that frames may revoke.
    join: [token, token, token, host.tokens.client, ...credentials.slice(2)],
  };
});

afterAll(() => host.stop());

/** Cancels what is left and waits until nothing of the peers is held any more. */
async function quiet(): Promise<Measure> {
  const admin = await Peer.client(host.url, host.tokens.admin);
  for (const state of ['running', 'queued', 'scheduled'] as const) {
    for (;;) {
      const query = { what: 'tasks', state, limit: 200 } as const;
      const tasks = (await admin.ask({ type: 'query', query })) as TaskView[];
      if (tasks.length === 0) break;
      // One that ends by itself meanwhile is a conflict, and gone from the next list.
      await Promise.allSettled(tasks.map(({ id }) => admin.ask({ type: 'cancel', task: id })));
    }
  }
  await admin.close();
  return eventually(async () => {
    const measure = await host.measure();
    expect(measure.counts).toEqual({
      views: 0,
      connections: 0,
      sessions: 0,
      streams: 0,
      tasks: 0,
      watchers: 0,
      httpSessions: 0,
      queries: 0,
    });
    return measure;
  }, 20_000);
}

function add(to: Tally, more: Tally): void {
  to.sent += more.sent;
  to.connections += more.connections;
  to.broken.push(...more.broken);
  to.hungUp.push(...more.hungUp);
  for (const [what, times] of more.received) to.received.set(what, (to.received.get(what) ?? 0) + times);
}

async function doTask(): Promise<void> {
  const kinds = ['after.fuzz'];
  const { peer: worker } = await Peer.worker(host.url, host.tokens.join, workerHello({ kinds, key: 'k'.repeat(16) }));
  const client = await Peer.client(host.url, host.tokens.client);
  const task = echoTask('still there?', { kind: 'after.fuzz' });
  client.send({ type: 'submit', tasks: [task], watch: true });
  const { tasks } = await worker.waitFor('dispatch');
  worker.send({
    type: 'results',
    results: [{ task: task.id, attempt: tasks[0]?.attempt ?? 0, output: packPayload('yes') }],
  });
  expect((await client.waitFor('ended')).tasks).toMatchObject([{ task: task.id, state: 'succeeded' }]);
  await Promise.all([worker.close(), client.close()]);
}

it(`survives ${FRAMES} damaged frames with nothing left of them (seed ${SEED})`, { timeout: 1_200_000 }, async () => {
  const log: string[] = [];
  let tally: Tally | undefined;
  try {
    await fuzz(host, WARM_UP, SEED + 1, tokens);
    await doTask();
    const before = await quiet();
    log.push(...before.errors);
    tally = await fuzz(host, FRAMES, SEED, tokens);
    for (let more = 1; more <= MORE_ROUNDS && !EXPECTED_ANSWERS.every((what) => tally?.received.has(what)); more += 1) {
      add(tally, await fuzz(host, FRAMES / 2, SEED + 1 + more, tokens));
    }
    expect(host.died).toBeUndefined();
    await doTask();
    const after = await quiet();
    log.push(...after.errors);
    const grown = after.heapUsed + after.arrayBuffers - before.heapUsed - before.arrayBuffers;
    const mib = (bytes: number) => `${(bytes / 1_048_576).toFixed(1)} MiB`;
    process.stderr.write(
      `fuzz: ${tally.sent} frames on ${tally.connections} connections, seed ${SEED}; heap ${mib(before.heapUsed)} -> ` +
        `${mib(after.heapUsed)}, with buffers ${mib(grown)} more, rss ${mib(before.rss)} -> ${mib(after.rss)}; received ` +
        `${[...tally.received]
          .sort((a, b) => b[1] - a[1])
          .map(([what, n]) => `${what} ${n}`)
          .join(', ')}\n${tally.hungUp.map((line) => `fuzz: hung up: ${line}\n`).join('')}`,
    );
    expect(log).toEqual([]);
    expect(tally.broken).toEqual([]);
    // One in many thousands is a network's business; more would be the coordinator's.
    expect(tally.hungUp.length).toBeLessThanOrEqual(1 + tally.connections / 10_000);
    expect(grown).toBeLessThan(MAX_GROWTH_BYTES);
    for (const what of EXPECTED_ANSWERS) expect(tally.received.get(what), what).toBeGreaterThan(0);
    expect(tally.received.get('error internal')).toBeUndefined();
  } catch (error) {
    process.stderr.write(`fuzz: failed with RMA_FUZZ_SEED=${SEED} RMA_FUZZ_FRAMES=${FRAMES}\n${log.join('')}`);
    const died = await host.end(1_000);
    if (died !== undefined) throw new Error(`the coordinator is gone: ${died}`, { cause: error });
    throw error;
  }
});
