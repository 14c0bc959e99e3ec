/** The bandwidth cap, measured on real transfers between an agent and a coordinator. */
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Agent, createAgent } from '@rma/agent/agent';
import { type Client, connect } from '@rma/client';
import { afterAll, afterEach, beforeAll, beforeEach, expect, it, vi } from 'vitest';
import { startTestCoordinator, type TestCoordinator } from '../../support/coordinator.js';
import { wallLimit } from '../../support/time.js';
import { HARDWARE, HeldRuntime } from '../link/support/fixture.js';

const CAP = 192 * 1_024;
const BYTES = 480 * 1_024;
/** The bucket lets a quarter of a second pass at once, and a frame more. */
const LEAST_MS = ((BYTES - CAP / 4 - 16_384) / CAP) * 1_000;

let coordinator: TestCoordinator;
let client: Client;
let agent: Agent | undefined;
let directory: string;

beforeAll(async () => {
  coordinator = await startTestCoordinator();
  client = connect({ url: coordinator.http, token: coordinator.token('client') });
});
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'rma-bandwidth-'));
});
afterEach(async () => {
  await agent?.stop();
  rmSync(directory, { recursive: true, force: true });
});
afterAll(async () => {
  await client.close();
  await coordinator.dispose();
});

/** Runs one task on an agent with such a worker.yaml; when its input had come and when its output was there, in ms. */
async function measured(kind: string, yaml: string, input: unknown, output: unknown) {
  const runtime = new HeldRuntime([kind]);
  let inputMs = Number.NaN;
  const configFile = join(directory, 'worker.yaml');
  writeFileSync(configFile, yaml);
  const options = { url: coordinator.http, token: coordinator.token('join'), stateDir: directory, configFile };
  agent = createAgent({ ...options, hardware: HARDWARE, runtimes: [runtime], sample: false });
  await agent.start();
  await vi.waitFor(() => expect(agent?.online).toBe(true), 20_000);
  const task = client.submit(kind, input);
  let dispatchedMs = Number.NaN;
  void task.accepted.then(() => {
    dispatchedMs = performance.now();
  });
  runtime.reply = () => {
    inputMs = performance.now();
    return { ok: true, output };
  };
  const got = await task.output();
  return { got, downMs: inputMs - dispatchedMs, upMs: performance.now() - inputMs };
}

/** Comparing them element by element takes many seconds. */
const sameBytes = (got: unknown, bytes: Uint8Array) =>
  Buffer.compare((got as { bytes: Uint8Array }).bytes, bytes) === 0;

it('holds for what comes in', async () => {
  const input = { bytes: new Uint8Array(randomBytes(BYTES)) };
  const { got, downMs } = await measured('capped.in', `caps:\n  bandwidthKiBps: ${CAP / 1_024}\n`, input, 'done');
  expect(got).toBe('done');
  expect(downMs).toBeGreaterThan(LEAST_MS * 0.9);
  expect(downMs).toBeLessThan(wallLimit(LEAST_MS * 5));
});

it('holds for what goes out', async () => {
  const bytes = new Uint8Array(randomBytes(BYTES));
  const { got, upMs } = await measured('capped.out', `caps:\n  bandwidthKiBps: ${CAP / 1_024}\n`, null, { bytes });
  expect(sameBytes(got, bytes)).toBe(true);
  expect(upMs).toBeGreaterThan(LEAST_MS * 0.9);
  expect(upMs).toBeLessThan(wallLimit(LEAST_MS * 5));
});

it('does not slow anything where there is none', async () => {
  const bytes = new Uint8Array(randomBytes(BYTES));
  const { got, upMs } = await measured('free', '', { bytes }, { bytes });
  expect(sameBytes(got, bytes)).toBe(true);
  expect(upMs).toBeLessThan(wallLimit(LEAST_MS * 0.9));
});
