/** `rma-worker pause`, `resume`, `status` and `leave`, and a changed worker.yaml: real processes, a real coordinator. */
import { existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { sendControl } from '@rma/agent/control/control-client';
import type { AgentStatus } from '@rma/agent/control/status';
import { type Client, connect, type TaskView, type WorkerView } from '@rma/client';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { startTestCoordinator, type TestCoordinator } from '../../support/coordinator.js';
import { Program } from '../../support/program.js';

const WAIT = { timeout: 20_000, interval: 50 };
const programs: Program[] = [];
let coordinator: TestCoordinator;
let client: Client;
let admin: Client;
let state: string;

beforeAll(async () => {
  coordinator = await startTestCoordinator();
  client = connect({ url: coordinator.http, token: coordinator.token('client') });
  admin = connect({ url: coordinator.http, token: coordinator.token('admin') });
});
beforeEach(() => {
  state = mkdtempSync(join(tmpdir(), 'rma-donor-'));
});
afterEach(async () => {
  for (const program of programs.splice(0)) await program.end('SIGKILL');
  rmSync(state, { recursive: true, force: true });
});
afterAll(async () => {
  await client.close();
  await admin.close();
  await coordinator.dispose();
});

function start(script: string[], env: NodeJS.ProcessEnv = {}): Program {
  const program = new Program('agent/bin/rma-worker.js', script, { env: { RMA_TOKEN: '', ...env } });
  programs.push(program);
  return program;
}

function worker(...args: string[]): Program {
  return start(['--url', coordinator.http, '--state', state, '--only', 'echo', ...args], {
    RMA_TOKEN: coordinator.token('join'),
  });
}

/** Runs a subcommand; its output and exit status. */
async function command(...args: string[]): Promise<{ output: string; out: string; code: number | null }> {
  const program = start([...args, '--state', state]);
  const { code } = await program.ended;
  return { output: program.output, out: program.stdout, code };
}

/** As `status --json` prints it, which is tested once: polling it by the command would start a process each time. */
async function status(): Promise<AgentStatus> {
  const answer = await sendControl(state, { do: 'status' });
  if (answer === undefined) throw new Error(`no agent runs on ${state}`);
  return answer as AgentStatus;
}

const joined = (program: Program) => program.says(/joined as (w-[0-9a-z]+)/);
const ready = (program: Program) => program.says(/echo is ready/);
const stateOf = async (id: string) => ((await admin.workers()) as WorkerView[]).find((one) => one.id === id)?.state;
const taskState = async (id: string) => ((await client.task(id)) as TaskView | undefined)?.state;

describe('a paused machine', () => {
  it('hands back running tasks with whenClosed: return, disconnects, and is online again after resume', async () => {
    writeFileSync(join(state, 'worker.yaml'), 'whenClosed: return\n');
    const running = worker();
    const id = await joined(running);
    await ready(running);
    const task = client.submit('echo', { delayMs: 60_000 });
    await vi.waitFor(async () => expect(await taskState(task.id)).toBe('running'), WAIT);

    const paused = await command('pause', '--for', '2h');
    expect(paused).toMatchObject({ code: 0, output: expect.stringMatching(/^paused until .*1 running task ends/) });
    await vi.waitFor(async () => expect(await taskState(task.id)).toBe('queued'), WAIT);
    await vi.waitFor(async () => expect(await stateOf(id)).not.toBe('online'), WAIT);
    expect(await status()).toMatchObject({
      worker: { id },
      online: false,
      runningTasks: 0,
      lending: { state: 'closed', reason: expect.stringContaining('paused'), until: expect.any(String) },
    });
    await running.says(/unavailable \(paused by its owner for a time\): disconnects; back /);

    expect(await command('resume')).toMatchObject({ code: 0, output: expect.stringContaining('not paused any more') });
    await vi.waitFor(async () => expect(await taskState(task.id)).toBe('running'), WAIT);
    const back = JSON.parse((await command('status', '--json')).out) as AgentStatus;
    expect(back).toMatchObject({ online: true, lending: { state: 'open' }, runningTasks: 1 });
    expect(back.services).toMatchObject([{ name: 'echo', state: 'healthy' }]);
    await task.cancel();
  });

  it('can be paused before it runs, and stays paused after a SIGKILL', async () => {
    expect(await command('pause')).toMatchObject({ code: 0, output: expect.stringContaining('no rma-worker runs') });
    expect(await command('status')).toMatchObject({
      code: 4,
      output: expect.stringMatching(/no rma-worker runs.*; paused/),
    });
    const first = worker();
    await first.says(/unavailable .*back at `rma-worker resume`/);
    expect((await status()).online).toBe(false);
    await first.end('SIGKILL');
    const second = worker();
    await second.says(/unavailable \(/);
    await command('resume');
    await joined(second);
    expect(await second.end('SIGTERM')).toEqual({ code: 0, signal: null });
  });

  it('ends on SIGTERM like any other', async () => {
    const paused = worker();
    await ready(paused);
    await command('pause');
    await vi.waitFor(async () => expect((await status()).online).toBe(false), WAIT);
    expect(await paused.end('SIGTERM')).toEqual({ code: 0, signal: null });
  });
});

describe('worker.yaml', () => {
  it('is written at the first start, and a change in it takes effect at once', async () => {
    const running = worker();
    await running.says(/wrote .*worker\.yaml/);
    await ready(running);
    const placementDeclines = (reason: string) =>
      vi.waitFor(async () => {
        const { declined, services } = await status();
        expect(declined).toContainEqual({ workload: 'echo', reason: expect.stringContaining(reason) });
        expect(services).toEqual([]);
      }, WAIT);
    writeFileSync(join(state, 'worker.yaml'), 'allow:\n  kinds: [ocr.read]\n');
    await placementDeclines('does not lend it to these task kinds');
    writeFileSync(join(state, 'worker.yaml'), '');
    await vi.waitFor(async () => expect((await status()).services).toMatchObject([{ state: 'healthy' }]), WAIT);
    writeFileSync(join(state, 'worker.yaml'), 'allow:\n  workloads: [ocr]\n');
    await placementDeclines('does not lend it to this workload');
    writeFileSync(join(state, 'worker.yaml'), '');
    await vi.waitFor(async () => expect((await status()).services).toMatchObject([{ state: 'healthy' }]), WAIT);
  });

  it('with a mistake leaves the previous policy in force, and logs where the mistake is', async () => {
    writeFileSync(join(state, 'worker.yaml'), 'caps:\n  cores: 1\n');
    const running = worker();
    await ready(running);
    writeFileSync(join(state, 'worker.yaml'), 'caps:\n  cores: all\n');
    await running.says(/worker\.yaml:2:10: cores: write how many cores .*the previous policy stays in force/);
    expect(await status()).toMatchObject({ caps: { cores: 1 }, configProblem: [expect.stringContaining(':2:10:')] });
  });

  it('with a mistake at the first start is reported, and the agent does not start', async () => {
    writeFileSync(join(state, 'worker.yaml'), 'url: here\n');
    const running = worker();
    expect(await running.ended).toEqual({ code: 1, signal: null });
    expect(running.output).toMatch(/worker\.yaml:1:6: url: write the address/);
  });
});

describe('leaving for good', () => {
  it('ends the running worker, revokes its credential and deletes it', async () => {
    const running = worker();
    const id = await joined(running);
    await ready(running);
    expect(statSync(join(state, 'control.sock')).mode & 0o777).toBe(0o600);
    expect(await command('leave')).toMatchObject({
      code: 0,
      output: expect.stringContaining(`${id} left the pool for good`),
    });
    expect(await running.ended).toEqual({ code: 0, signal: null });
    expect(await stateOf(id)).toBe('revoked');
    for (const file of ['worker.json', 'key', 'control.sock', 'lock'])
      expect(existsSync(join(state, file))).toBe(false);
    expect(existsSync(join(state, 'worker.yaml'))).toBe(true);
    const again = worker();
    expect(await joined(again)).not.toBe(id);
  });

  it('works without a running worker, too', async () => {
    const running = worker();
    const id = await joined(running);
    await running.end('SIGKILL');
    expect(await command('leave', '--purge')).toMatchObject({ code: 0, output: expect.stringContaining(`${id} left`) });
    expect(await stateOf(id)).toBe('revoked');
    expect(existsSync(join(state, 'key'))).toBe(false);
    expect(await command('leave')).toMatchObject({ code: 1, output: expect.stringContaining('belongs to no worker') });
  });
});
