/**
 * What a coordinator of an earlier version had on disk when it was killed, with commits in its journal alone and attempts
 * running: today's coordinator opens it and loses nothing. fixtures/ has the files, and what the SDK had been promised.
 */
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Client, connect } from '@rma/client';
import { packPayload } from '@rma/protocol/payload';
import { openReader } from '@rma/server/store/sqlite';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type CoordinatorProcess, startCoordinatorProcess } from '../support/coordinator-process.js';
import { eventually } from '../support/eventually.js';
import { Peer, workerHello } from '../support/peer.js';
import { Program, ROOT } from '../support/program.js';
import { FIXTURE, today } from './versions.js';

/** `accepted`: no end was told. `reported`: it ended on its worker when there was no coordinator any more. */
interface Promised {
  readonly id: string;
  readonly state: 'accepted' | 'reported' | 'queued' | 'scheduled' | 'running' | 'succeeded' | 'failed' | 'cancelled';
  /** Of a success: its input, which is its output, too. */
  readonly input?: unknown;
  /** So many had come. */
  readonly chunks?: number;
}

const fixture = join(ROOT, FIXTURE);
const promised = readFileSync(join(fixture, 'promised.json'), 'utf8')
  .trim()
  .split('\n')
  .map((line): Promised => JSON.parse(line));
const running = promised.filter(({ state }) => state === 'running');
const reported = promised.filter(({ state }) => state === 'reported');
const identity = JSON.parse(readFileSync(join(fixture, 'worker/worker.json'), 'utf8')) as {
  id: string;
  credential: string;
  url: string;
};
/** The fixture gets older: nothing in it may be old enough to go. */
const KEEP = ['--result-days', '3650', '--event-days', '3650'];

let directory: string;
let data: string;
let coordinator: CoordinatorProcess | undefined;
let client: Client;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'rma-compat-'));
  data = join(directory, 'data');
  cpSync(join(fixture, 'pool'), data, { recursive: true });
});
afterEach(async () => {
  await client?.close();
  await coordinator?.kill();
  rmSync(directory, { recursive: true, force: true });
});

async function start(startGraceMs: number): Promise<CoordinatorProcess> {
  coordinator = await startCoordinatorProcess(data, { args: [...KEEP, '--start-grace-ms', String(startGraceMs)] });
  client = connect({ url: coordinator.http, token: coordinator.token('client') });
  return coordinator;
}

/** A few at a time, as a page of the dashboard would. */
async function statesOf(tasks: readonly Promised[]): Promise<{ id: string; state: string; attempt: number }[]> {
  return Promise.all(
    tasks.map(async ({ id }) => {
      const { state, attempt } = await client.task(id);
      return { id, state, attempt };
    }),
  );
}

it('the fixture has ends that are in the journal alone, and attempts that run', () => {
  const database = openReader(join(data, 'pool.db'));
  const journal = database.prepare('SELECT count(*) FROM journal').pluck().get();
  const inTables = new Set(database.prepare('SELECT id FROM tasks WHERE state = 3').pluck().all());
  database.close();
  expect(journal).toBeGreaterThan(1);
  const succeeded = promised.filter(({ state }) => state === 'succeeded');
  expect(succeeded.filter(({ id }) => !inTables.has(id)).length).toBeGreaterThan(20);
  expect(running.length).toBeGreaterThan(3);
});

describe("a database of an earlier version, opened by today's coordinator", () => {
  it('has every task as it was promised, with its output', async () => {
    await start(60_000);
    const ended = promised.filter(({ state }) => state === 'succeeded');
    const outputs = await Promise.all(ended.map(({ id }) => client.watch(id).output()));
    expect(outputs).toEqual(ended.map(({ input }) => input));
    const others = promised.filter(({ state }) => !['succeeded', 'accepted', 'reported'].includes(state));
    expect(new Set(others.map(({ state }) => state)).size).toBeGreaterThan(4);
    const found = (await statesOf(others)).map(({ id, state }) => ({ id, state }));
    expect(found).toEqual(others.map(({ id, state }) => ({ id, state })));
    const open = promised.filter(({ state }) => state === 'accepted' || state === 'reported');
    for (const { state } of await statesOf(open)) expect(['queued', 'running', 'succeeded']).toContain(state);
  });

  it('has the events without a gap, and the workers', async () => {
    const { http, token } = await start(60_000);
    const admin = connect({ url: http, token: token('admin') });
    let last = 0;
    for await (const { seq } of admin.events({ since: 0 })) expect(seq).toBe(++last);
    expect(last).toBeGreaterThan(promised.length);
    const workers = await admin.workers();
    expect(workers).toMatchObject([{ id: identity.id, state: 'away' }]);
    expect(workers[0]).not.toHaveProperty('agentVersion');
    await admin.close();
  });

  it('keeps running attempts for their worker, which comes back within the grace and goes on', async () => {
    const { url } = await start(60_000);
    expect(await statesOf(running)).toEqual(running.map(({ id }) => ({ id, state: 'running', attempt: 1 })));
    const attempts = running.map(({ id }) => ({ task: id, attempt: 1 }));
    const key = readFileSync(join(fixture, 'worker/key'), 'utf8').trim();
    const hello = workerHello({ key, running: attempts, slots: 256 });
    const { peer, id, welcome } = await Peer.worker(url, identity.credential, hello);
    expect(id).toBe(identity.id);
    const [task] = running;
    const kept = attempts.map((attempt) => ({ ...attempt, verdict: 'keep', chunk: expect.any(Number) }));
    expect(welcome.worker?.verdicts).toEqual(kept);
    const numbers: number[] = [];
    const streamed = (async () => {
      for await (const { chunk } of client.watch(task!.id)) numbers.push(chunk);
    })();
    peer.send({ type: 'results', results: [{ task: task!.id, attempt: 1, output: packPayload('done') }] });
    expect(await client.watch(task!.id).result()).toMatchObject({ state: 'succeeded', output: 'done', attempts: 1 });
    await streamed;
    expect(numbers.length).toBeGreaterThanOrEqual(task!.chunks!);
    expect(numbers.length).toBe(welcome.worker?.verdicts[0]?.chunk);
    expect(numbers).toEqual(numbers.map((_, i) => i + 1));
    await peer.close();
  });

  it("takes the results that the worker's state directory holds, and runs again what the worker forgot", async () => {
    const { http } = await start(60_000);
    const state = join(directory, 'worker');
    cpSync(join(fixture, 'worker'), state, { recursive: true });
    writeFileSync(join(state, 'worker.json'), JSON.stringify({ ...identity, url: http }));
    const options = ['--only', 'echo', '--engine', 'none', '--no-detect'];
    const agent = new Program(today.agent, ['--url', http, '--state', state, ...options]);
    try {
      expect(reported).toHaveLength(1);
      for (const { id, input } of reported) {
        expect(await client.watch(id).result()).toMatchObject({ state: 'succeeded', output: input, attempts: 1 });
      }
      await eventually(async () => {
        expect(await statesOf(running)).toEqual(running.map(({ id }) => ({ id, state: 'running', attempt: 2 })));
      }, 30_000);
      const accepted = promised.filter((task) => task.state === 'accepted');
      for (const result of await Promise.all(accepted.map(({ id }) => client.watch(id).result())))
        expect(result.state).toBe('succeeded');
    } finally {
      await agent.end('SIGKILL');
    }
  });

  it('gives attempts up once the grace is over and their worker stays away', async () => {
    await start(1_000);
    await eventually(async () => {
      expect(await statesOf(running)).toEqual(running.map(({ id }) => ({ id, state: 'queued', attempt: 1 })));
    });
  });
});
