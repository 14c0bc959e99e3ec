/**
 * An agent and an SDK of an earlier version with today's coordinator, and today's with that version's coordinator: they
 * join, run, stream and reconnect. Bundles of that version are in fixtures/.
 */
import { createHash } from 'node:crypto';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Client } from '@rma/client';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type CoordinatorProcess, startCoordinatorProcess } from '../support/coordinator-process.js';
import { eventually } from '../support/eventually.js';
import { freePort } from '../support/free-port.mjs';
import { Program, ROOT } from '../support/program.js';
import { earlier, FIXTURE, today } from './versions.js';

it('the bundles are those whose hashes stand beside them', () => {
  const sums = readFileSync(join(ROOT, FIXTURE, 'SHA256SUMS'), 'utf8')
    .trim()
    .split('\n');
  expect(sums.length).toBeGreaterThan(5);
  for (const line of sums) {
    const [hash, name = ''] = line.split(/ +/);
    const content = readFileSync(join(ROOT, FIXTURE, name));
    expect({ name, hash: createHash('sha256').update(content).digest('hex') }).toEqual({ name, hash });
  }
});

const HANDLERS = `
import { appendFileSync } from 'node:fs';
const runs = new URL('runs', import.meta.url);
export default {
  async 'compat.sum'({ numbers }) { return { sum: numbers.reduce((a, b) => a + b, 0) }; },
  async 'compat.steps'({ name, steps, everyMs }, { chunk, signal }) {
    appendFileSync(runs, name + '\\n');
    for (let n = 1; n <= steps; n++) {
      await new Promise((resolve) => setTimeout(resolve, everyMs));
      signal.throwIfAborted();
      chunk({ n });
    }
    return { steps };
  },
};`;

describe.each([
  { peers: earlier, host: today },
  { peers: today, host: earlier },
])("agent and SDK of $peers.name with $host.name's coordinator", ({ peers, host }) => {
  const directory = mkdtempSync(join(tmpdir(), 'rma-compat-'));
  const data = join(directory, 'data');
  let port: number;
  let coordinator: CoordinatorProcess;
  let agent: Program;
  let client: Client;

  const startHost = () => startCoordinatorProcess(data, { script: host.coordinator, args: ['--port', String(port)] });
  const runs = (name: string) => {
    const path = join(directory, 'runs');
    const names = existsSync(path) ? readFileSync(path, 'utf8').split('\n') : [];
    return names.filter((each) => each === name).length;
  };

  beforeAll(async () => {
    port = await freePort();
    coordinator = await startHost();
    writeFileSync(join(directory, 'handlers.mjs'), HANDLERS);
    const where = ['--url', coordinator.http, '--state', join(directory, 'worker'), '--engine', 'none', '--no-detect'];
    const what = ['--only', 'echo', '--handlers', join(directory, 'handlers.mjs'), '--name', 'compat'];
    agent = new Program(peers.agent, [...where, ...what], { env: { RMA_TOKEN: coordinator.token('join') } });
    const sdk = (await import(peers.sdk)) as typeof import('@rma/client');
    client = sdk.connect({ url: coordinator.http, token: coordinator.token('admin') });
  });
  afterAll(async () => {
    await client.close();
    await agent.end('SIGKILL');
    await coordinator.kill();
    rmSync(directory, { recursive: true, force: true });
  });

  it('join, and offer the built-in workload and own handlers', async () => {
    await eventually(async () => {
      const [worker, ...others] = await client.workers();
      expect(others).toEqual([]);
      expect(worker).toMatchObject({ name: 'compat', state: 'online' });
      const kinds = worker?.services.filter(({ state }) => state === 'healthy').flatMap((service) => service.kinds);
      expect(kinds?.sort()).toEqual(['compat.steps', 'compat.sum', 'echo']);
    });
  });

  it('run tasks, and tell outputs and errors', async () => {
    const tasks = client.submitMany(Array.from({ length: 200 }, (_, n) => ({ kind: 'echo', input: { n } })));
    expect(await Promise.all(tasks.map((task) => task.output()))).toEqual(tasks.map((_, n) => ({ n })));
    expect(await client.submit('compat.sum', { numbers: [1, 2, 3] }).output()).toEqual({ sum: 6 });
    const failing = await client.submit('echo', { fail: 'on purpose', retryable: false }).result();
    expect(failing).toMatchObject({ state: 'failed', error: { code: 'echo.fail', message: 'on purpose' } });
    await expect(client.submit('no.such.kind').accepted).rejects.toMatchObject({ kind: 'unknown_kind' });
  });

  it('stream chunks in order, to who watches later, too', async () => {
    const task = client.submit('compat.steps', { name: 'stream', steps: 5, everyMs: 20 });
    const chunks = async (source: typeof task) => {
      const numbers: number[] = [];
      for await (const { chunk, data } of source) numbers.push(chunk, (data as { n: number }).n);
      return numbers;
    };
    const all = [1, 1, 2, 2, 3, 3, 4, 4, 5, 5];
    expect(await chunks(task)).toEqual(all);
    expect(await chunks(client.watch(task.id) as typeof task)).toEqual(all);
  });

  it('move what is too large for a frame, both ways', async () => {
    const bytes = Uint8Array.from({ length: 300_000 }, (_, i) => (i * 31) % 251);
    const output = await client.submit<{ bytes: Uint8Array }>('echo', { bytes }).output();
    expect(Buffer.compare(output.bytes, bytes)).toBe(0);
  });

  it('cancel what runs', async () => {
    const task = client.submit('echo', { delayMs: 60_000 });
    await eventually(async () => expect((await client.task(task.id)).state).toBe('running'));
    await task.cancel();
    expect((await task.result()).state).toBe('cancelled');
  });

  it('cancel many tasks', async () => {
    const notBefore = new Date(Date.now() + 600_000);
    const tasks = client.submitMany(Array.from({ length: 100 }, () => ({ kind: 'echo', notBefore })));
    await Promise.all(tasks.map((task) => task.accepted));
    const ids = tasks.map(({ id }) => id).sort();
    const { cancelled, failed } = await client.cancelMany(ids);
    expect(failed).toEqual([]);
    expect(cancelled.sort()).toEqual(ids);
  });

  it('show and list what there is', async () => {
    expect(await client.stats()).toMatchObject({ workers: { online: 1 } });
    expect((await client.placement()).workers).toHaveLength(1);
    expect((await client.catalog()).workloads.length).toBeGreaterThan(5);
    const events = [];
    for await (const event of client.events({ since: 0 })) events.push(event.type);
    expect(events).toContain('worker.joined');
    for await (const { now } of client.liveOverview()) {
      expect(now.workers.online).toBe(1);
      break;
    }
    for await (const { rows, complete } of client.liveWorkers()) {
      if (!complete) continue;
      expect([...rows.values()]).toMatchObject([{ name: 'compat' }]);
      break;
    }
  });

  it('reconnect after a SIGKILL of the coordinator, and go on with what ran', { timeout: 40_000 }, async () => {
    const running = client.submit('compat.steps', { name: 'over the restart', steps: 40, everyMs: 100 });
    const numbers: number[] = [];
    const streamed = (async () => {
      for await (const { attempt, chunk } of running) numbers.push(attempt * 1_000 + chunk);
    })();
    await eventually(() => expect(numbers.length).toBeGreaterThan(3));
    await coordinator.kill();
    const meanwhile = client.submit('echo', { sent: 'while it was away' });
    coordinator = await startHost();
    expect(await meanwhile.output()).toEqual({ sent: 'while it was away' });
    expect(await running.result()).toMatchObject({ state: 'succeeded', output: { steps: 40 }, attempts: 1 });
    await streamed;
    expect(numbers).toEqual(Array.from({ length: 40 }, (_, i) => 1_001 + i));
    expect(runs('over the restart')).toBe(1);
  });

  it('leave in order', async () => {
    expect(await agent.end('SIGTERM')).toEqual({ code: 0, signal: null });
    await eventually(async () => expect(await client.workers()).toMatchObject([{ state: 'offline' }]));
  });
});
