/** `rma submit --batch FILE --wait --json` while the coordinator is killed and started again. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { endAll, start } from '../client/support/rma.js';
import { type CoordinatorProcess, startCoordinatorProcess } from '../support/coordinator-process.js';
import { freePort } from '../support/free-port.mjs';
import { Program } from '../support/program.js';

const JOBS = 300;
const KILLS = 2;

let directory: string;
let data: string;
let port: number;
let coordinator: CoordinatorProcess;
let worker: Program;

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'rma-batch-'));
  data = join(directory, 'data');
  port = await freePort();
  coordinator = await startCoordinatorProcess(data, { args: ['--port', String(port)] });
  const joining = ['--url', coordinator.http, '--token-file', join(data, 'join.token')];
  worker = new Program('agent/bin/rma-worker.js', [...joining, '--state', join(directory, 'worker'), '--only', 'echo']);
});
afterEach(async () => {
  endAll();
  await worker.end('SIGKILL');
  await coordinator.kill();
  rmSync(directory, { recursive: true, force: true });
});

it(`gives one line a job, each its own, over ${KILLS} kills of the coordinator`, { timeout: 60_000 }, async () => {
  const inputs = Array.from({ length: JOBS }, (_, n) => ({ n, delayMs: (n * 37) % 200 }));
  const file = join(directory, 'jobs.jsonl');
  writeFileSync(file, inputs.map((input) => `${JSON.stringify({ kind: 'echo', input })}\n`).join(''));
  const env = { RMA_URL: coordinator.http, RMA_DATA: data };
  const submit = start(['submit', '--batch', file, '--wait', '--json'], { env });
  let out = '';
  submit.process.stdout?.on('data', (text) => {
    out += text;
  });
  for (let kill = 1; kill <= KILLS; kill++) {
    const lines = (JOBS * kill) / (KILLS + 2);
    await vi.waitFor(() => expect(out.split('\n').length).toBeGreaterThan(lines), { timeout: 20_000, interval: 5 });
    await coordinator.kill();
    coordinator = await startCoordinatorProcess(data, { args: ['--port', String(port)] });
  }
  const { status, err } = await submit.ended;
  expect({ status, err: status === 0 ? '' : err }).toEqual({ status: 0, err: '' });
  const results = out
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  expect(results).toHaveLength(JOBS);
  const byIndex = results.sort((a, b) => a.index - b.index);
  expect(byIndex.map(({ index, state, output }) => ({ index, state, output }))).toEqual(
    inputs.map((output, index) => ({ index, state: 'succeeded', output })),
  );
  expect(new Set(results.map(({ id }) => id)).size).toBe(JOBS);
});
