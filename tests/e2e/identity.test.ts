/** Who a worker is: what the real `rma-worker` does when its identity is revoked, damaged, taken or was never given. */
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, truncateSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { WorkerView } from '@rma/client';
import { afterAll, afterEach, beforeAll, beforeEach, expect, it, vi } from 'vitest';
import { endAll, rma } from '../client/support/rma.js';
import { type CoordinatorProcess, startCoordinatorProcess } from '../support/coordinator-process.js';
import { Program } from '../support/program.js';

/** Exit statuses, as in `rma-worker --help`. */
const SETUP = 1;
const REFUSED = 3;

const data = mkdtempSync(join(tmpdir(), 'rma-identity-'));
const programs: Program[] = [];
let coordinator: CoordinatorProcess;
let state: string;

beforeAll(async () => {
  coordinator = await startCoordinatorProcess(join(data, 'pool'));
});
beforeEach(() => {
  state = mkdtempSync(join(data, 'worker-'));
});
afterEach(async () => {
  endAll();
  for (const program of programs.splice(0)) await program.end('SIGKILL');
});
afterAll(async () => {
  await coordinator.kill();
  rmSync(data, { recursive: true, force: true });
});

function worker(token: string | undefined = coordinator.token('join')): Program {
  const args = ['--url', coordinator.http, '--state', state, '--only', 'echo'];
  // In the environment, where process lists do not show it.
  const program = new Program('agent/bin/rma-worker.js', args, { env: { RMA_TOKEN: token } });
  programs.push(program);
  return program;
}

const joined = (program: Program) => program.says(/joined as (w-[0-9a-z]+)/);

function admin(...args: string[]) {
  return rma([...args, '--json'], { env: { RMA_URL: coordinator.http, RMA_TOKEN: coordinator.token('admin') } });
}

async function stateOf(id: string): Promise<string | undefined> {
  const workers = JSON.parse((await admin('workers')).out) as WorkerView[];
  return workers.find((view) => view.id === id)?.state;
}

it('a revoked worker exits with status 3 and says so, and so does its next start', { timeout: 30_000 }, async () => {
  const first = worker();
  const id = await joined(first);
  expect((await admin('worker', 'revoke', id)).status).toBe(0);
  expect(await first.ended).toEqual({ code: REFUSED, signal: null });
  expect(first.output).toMatch(new RegExp(`this worker \\(${id}\\) was revoked.*worker\\.json`));
  expect(await stateOf(id)).toBe('revoked');

  const second = worker();
  expect(await second.ended).toEqual({ code: REFUSED, signal: null });
  expect(second.output).toMatch(/was revoked/);
});

it('a worker keeps its id over a kill; a damaged worker.json is put aside, and it joins anew', async () => {
  const first = worker();
  const id = await joined(first);
  await first.end('SIGKILL');
  const second = worker(undefined);
  expect(await joined(second)).toBe(id);
  await second.end('SIGTERM');

  truncateSync(join(state, 'worker.json'), 20);
  const third = worker();
  expect(await third.says(/(worker\.json was damaged; it was moved to)/)).toBeDefined();
  const rejoined = await joined(third);
  // The key of its first join is whole: the coordinator knows it by that, and makes no second worker.
  expect(rejoined).toBe(id);
  expect(JSON.parse(readFileSync(join(state, 'worker.json'), 'utf8'))).toMatchObject({ id });
  expect(readdirSync(state).filter((name) => name.startsWith('worker.json.damaged-'))).toHaveLength(1);
});

it('a damaged worker.json without a join token ends with status 1 and says what to give', async () => {
  const first = worker();
  await joined(first);
  await first.end('SIGTERM');
  truncateSync(join(state, 'worker.json'), 0);
  const second = worker('');
  expect(await second.ended).toEqual({ code: SETUP, signal: null });
  expect(second.output).toMatch(/no token: the first start needs a join token.*--token-file/);
});

it('a second agent on a state directory ends with status 1 and names the first, which goes on', async () => {
  const first = worker();
  const id = await joined(first);
  const second = worker();
  expect(await second.ended).toEqual({ code: SETUP, signal: null });
  expect(second.output).toMatch(new RegExp(`in use by process ${first.child.pid}`));
  expect(first.isRunning).toBe(true);
  expect(await stateOf(id)).toBe('online');
});

it.each([
  ['that is none', () => 'nonsense', /does not accept the token/],
  ['of a client', () => coordinator.token('client'), /join token/],
])('a token %s ends with status 3 and says where to get one', async (_, token, reason) => {
  const program = worker(token());
  expect(await program.ended).toEqual({ code: REFUSED, signal: null });
  expect(program.output).toMatch(reason);
  expect(readdirSync(state)).not.toContain('worker.json');
});

it('a copy of a state directory replaces the first, which waits instead of fighting', { timeout: 30_000 }, async () => {
  const first = worker();
  const id = await joined(first);
  const copy = mkdtempSync(join(data, 'copy-'));
  cpSync(state, copy, { recursive: true, filter: (name) => !/\/(lock|control\.sock)$/.test(name) });
  state = copy;
  const second = worker(undefined);
  expect(await joined(second)).toBe(id);
  await first.says(/another agent connected with this worker's identity; waiting \d+ s/);
  await vi.waitFor(async () => expect(await stateOf(id)).toBe('online'), 10_000);
  expect(first.isRunning).toBe(true);
});
