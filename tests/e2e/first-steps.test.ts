/** The first steps of the README, as a user takes them: `npm start`, then `rma` in a second terminal. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  type Client,
  connect,
  type PoolEvent,
  type StatsView,
  type TaskView,
  type TokenView,
  type WorkerView,
} from '@rma/client';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { type Ended, endAll, rma } from '../client/support/rma.js';
import { ROOT } from '../support/program.js';
import { type StartedPool, startPool } from './support/started-pool.js';

const directory = mkdtempSync(join(tmpdir(), 'rma-first-steps-'));
const data = join(directory, 'data');
let pool: StartedPool;
/** Sees when what a command has set going has happened. */
let watcher: Client;

async function up(): Promise<void> {
  pool = await startPool(data);
  watcher = connect({ url: pool.url, token: readFileSync(join(data, 'admin.token'), 'utf8').trim() });
}

beforeAll(up, 60_000);
afterEach(endAll);
afterAll(async () => {
  // Neither is there where `npm start` did not come up.
  await watcher?.close();
  await pool?.kill();
  rmSync(directory, { recursive: true, force: true });
});

/** In a terminal at the checkout's root, with the variables that `npm start` told. */
function run(...args: string[]): Promise<Ended> {
  return rma(args, { cwd: ROOT, env: { RMA_DATA: data, RMA_URL: pool.url } });
}

/** Runs what has to succeed; gives what it printed. */
async function said(...args: string[]): Promise<string> {
  const { status, out, err } = await run(...args);
  expect({ status, err: status === 0 ? '' : err }).toEqual({ status: 0, err: '' });
  return out;
}

async function json<T>(...args: string[]): Promise<T> {
  return JSON.parse(await said(...args, '--json')) as T;
}

const jsonLines = (text: string) =>
  text
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));

describe('real work', () => {
  it('prints the text of a scanned letter', async () => {
    const text = await said('submit', 'ocr.read', '--file', 'docs/samples/letter.png', '--wait');
    expect(text).toContain('Harbour & Finch Solicitors LLP');
    expect(text).toContain('Mrs Whitfield');
  });

  it('prints the text of a PDF and of a DOCX, a line each where there are several', async () => {
    const text = await said('submit', 'document.extract', '--file', 'docs/samples/letter.pdf', '--wait');
    expect(text).toContain('Balance due to the seller on 12 April 2024: £312,750.00');
    const samples = ['docs/samples/letter.docx', 'docs/samples/letter.pdf', 'docs/samples/report.html'];
    const lines = (await said('submit', 'document.extract', '--file', ...samples, '--wait')).trim().split('\n');
    expect(lines.map((line) => line.split('  ').slice(0, 2)).sort()).toEqual(
      samples.map((name) => [name, 'succeeded']),
    );
  });

  it('finds people, money, places and dates in a paragraph, with normal forms', async () => {
    const text = 'Ada Lovelace paid £20 in London on 5 March 2024.';
    const table = await said('submit', 'ner.extract', '--input', JSON.stringify({ text }), '--wait');
    for (const wanted of [
      /person +Ada Lovelace/,
      /money +£20 .*amount 20, currency GBP/,
      /place +London/,
      /2024-03-05/,
    ]) {
      expect(table).toMatch(wanted);
    }
  });

  it('gives vectors of a set of texts, of which the alike are near', async () => {
    const texts = ['The cat sat on the mat.', 'A cat was sitting on a mat.', 'Interest rates rose again.'];
    const input = JSON.stringify({ texts });
    const { output } = await json<{ output: { dimensions: number; vectors: number[][] } }>(
      ...['submit', 'text.embed', '--input', input, '--wait'],
    );
    const [cat = [], alike = [], other = []] = output.vectors;
    const dot = (a: number[], b: number[]) => a.reduce((sum, x, i) => sum + x * (b[i] ?? 0), 0);
    expect([cat.length, alike.length, other.length]).toEqual([512, 512, 512]);
    expect(dot(cat, alike)).toBeGreaterThan(dot(cat, other) + 0.2);
  });
});

describe('rma submit', () => {
  it('--wait prints the output, --wait --json one object', async () => {
    expect(JSON.parse(await said('submit', 'echo', '--input', '{"hello":"pool"}', '--wait'))).toEqual({
      hello: 'pool',
    });
    const record = await json<Record<string, unknown>>('submit', 'echo', '--input', '{"n":1}', '--wait');
    expect(record).toEqual({
      id: expect.stringMatching(/^[0-9a-f-]{36}$/),
      kind: 'echo',
      state: 'succeeded',
      output: { n: 1 },
      error: null,
      worker: expect.stringMatching(/^w-/),
      attempts: 1,
      timings: { queuedMs: expect.any(Number), runMs: expect.any(Number), totalMs: expect.any(Number) },
    });
  });

  it('reads its input from standard input', async () => {
    const env = { RMA_DATA: data, RMA_URL: pool.url };
    const { out } = await rma(['submit', 'echo', '--input', '-', '--wait'], { env, stdin: '"from a pipe"' });
    expect(out).toBe('from a pipe\n');
  });

  it('--file with several files and --json prints a line each, with the file', async () => {
    const samples = ['docs/samples/letter.docx', 'docs/samples/report.html'];
    const lines = jsonLines(await said('submit', 'document.extract', '--file', ...samples, '--wait', '--json'));
    expect(lines.map(({ file, state }) => `${file} ${state}`).sort()).toEqual(
      samples.map((name) => `${name} succeeded`),
    );
  });
});

describe('exit status', () => {
  it.each<[what: string, status: number, args: string[], reason: RegExp]>([
    [
      'of a task that fails',
      1,
      ['submit', 'echo', '--input', '{"fail":"on purpose","retryable":false}', '--wait'],
      /on purpose/,
    ],
    ['of a kind that nobody serves', 1, ['submit', 'eco', '--wait'], /did you mean echo/],
    [
      'of a damaged file',
      1,
      ['submit', 'ocr.read', '--file', 'docs/samples/letter.pdf', '--wait'],
      /document\.extract/,
    ],
    ['of a wrong token', 1, ['workers', '--token', 'nonsense'], /the token is not one of this coordinator/],
    ['of an unknown option', 2, ['workers', '--loudly'], /--loudly/],
  ])('%s is %i, and it says why', { timeout: 30_000 }, async (_, status, args, reason) => {
    const ended = await run(...args);
    expect(ended.err).toMatch(reason);
    expect(ended.status).toBe(status);
  });
});

describe('the commands', () => {
  it('workers shows tier, reasons, services and load', async () => {
    const id = await vi.waitFor(async () => {
      const [worker] = await watcher.workers();
      expect(worker?.load).toBeDefined();
      return worker?.id ?? '';
    }, 15_000);
    const [worker] = await json<WorkerView[]>('workers');
    expect(worker).toMatchObject({ id, name: 'local', state: 'online', trust: 'trusted' });
    const kinds = worker?.services.filter(({ state }) => state === 'healthy').flatMap((service) => service.kinds);
    expect(kinds).toEqual(
      expect.arrayContaining(['document.extract', 'echo', 'ner.extract', 'ocr.read', 'text.embed']),
    );
    const table = await said('workers');
    for (const told of [id, ...(worker?.reasons ?? []), 'ocr.read', 'cpu']) expect(table).toContain(told);
  });

  it('task, tasks, cancel, events and stats tell one story', async () => {
    const id = (await said('submit', 'echo', '--input', '{"delayMs":60000}')).trim();
    await vi.waitFor(async () => expect((await watcher.task(id)).state).toBe('running'), 10_000);
    expect((await json<TaskView[]>('tasks', '--state', 'running')).map((task) => task.id)).toEqual([id]);
    expect((await json<StatsView>('stats')).tasks.running).toBe(1);
    expect(await said('cancel', id)).toBe(`${id} cancelled\n`);
    expect(await said('task', id)).toMatch(/state +cancelled/);
    const events = jsonLines(await said('events', '--since', '0', '--json')) as PoolEvent[];
    expect(events.map(({ seq }) => seq)).toEqual(events.map((_, i) => i + 1));
    const told = events.filter(({ subject }) => subject === id).map(({ type }) => type);
    expect(told).toEqual(['task.submitted', 'task.dispatched', 'task.ended']);
    // Its handler heard of it, and its slot is free again.
    await vi.waitFor(async () => expect((await watcher.workers())[0]?.running).toBe(0), 10_000);
  });

  it('token makes a client that sees its own tasks only, and nothing once it is revoked', async () => {
    const { token, view } = await json<{ token: string; view: TokenView }>(
      ...['token', 'create', '--role', 'client', '--name', 'website'],
    );
    const submitted = (await said('submit', 'echo', '--token', token)).trim();
    expect((await json<TaskView[]>('tasks', '--token', token)).map(({ id }) => id)).toEqual([submitted]);
    expect(await said('token', 'list')).toMatch(new RegExp(`${view.id} +client +website .*valid`));
    await said('token', 'revoke', view.id);
    const refused = await run('tasks', '--token', token);
    expect(refused.err).toMatch(/revoked/);
    expect(refused.status).toBe(1);
  });

  it('worker pins a tier and drains', async () => {
    const [{ id, tier } = { id: '', tier: null }] = await watcher.workers();
    const pinned = tier === 2 ? '3' : '2';
    expect(await said('worker', 'pin', id, '--tier', pinned)).toContain(`tier ${pinned} (pinned)`);
    expect(await json<WorkerView>('worker', 'pin', id, '--auto')).toMatchObject({ tier, pinned: false });
    expect((await json<WorkerView>('worker', 'drain', id)).state).toBe('draining');
    const waiting = watcher.submit('echo', 'held');
    await waiting.accepted;
    expect(await said('task', waiting.id)).toMatch(/waiting .*1 takes no new tasks/);
    await said('worker', 'drain', id, '--off');
    expect(await waiting.output()).toBe('held');
  });
});

it('Ctrl-C stops all of it; started again it is the same worker, and knows its tasks', {
  timeout: 60_000,
}, async () => {
  const [before] = await watcher.workers();
  const tasks = (await watcher.tasks()).map(({ id }) => id);
  await watcher.close();
  const { code, left } = await pool.interrupt();
  expect({ code, left }).toEqual({ code: 0, left: [] });

  await up();
  expect((await watcher.workers()).map(({ id, state }) => `${id} ${state}`)).toEqual([`${before?.id} online`]);
  expect((await json<TaskView[]>('tasks')).map(({ id }) => id)).toEqual(tasks);
  expect((await said('submit', 'echo', '--input', '"again"', '--wait')).trim()).toBe('again');
});
