import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { appendFileSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { packPayload, unpackPayload } from '@rma/protocol/payload';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { NO_ASSIGNMENT, taskId } from './support/coordinator.js';
import { useFixture } from './support/fixture.js';

const BIN = join(dirname(fileURLToPath(import.meta.resolve('@rma/agent/cli/main'))), '../..', 'bin', 'rma-worker.js');
const fixture = useFixture();
const children: ChildProcess[] = [];

afterEach(async () => {
  for (const child of children.splice(0)) {
    if (child.exitCode !== null || child.signalCode !== null) continue;
    child.kill('SIGKILL');
    await once(child, 'exit');
  }
});

interface Worker {
  readonly child: ChildProcess;
  readonly told: () => string;
  readonly exit: Promise<{ code: number | null; signal: string | null }>;
}

/** A real `rma-worker`, in a process of its own. */
function worker(args: string[] = [], env: Record<string, string> = {}): Worker {
  const { coordinator, directory } = fixture;
  coordinator.answer = (hello) => ({
    ...(hello.token === 'join-token' ? { id: 'w-proc', credential: 'own-credential' } : {}),
    assignment: { ...NO_ASSIGNMENT, workloads: [{ workload: 'echo', reason: 'test' }] },
  });
  const all = [
    '--url',
    coordinator.url,
    '--token',
    'join-token',
    '--state',
    join(directory, 'state'),
    '--only',
    'echo',
    ...args,
  ];
  const child = spawn(process.execPath, [BIN, ...all], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...env },
  });
  children.push(child);
  let told = '';
  for (const stream of [child.stdout, child.stderr]) stream?.on('data', (data) => (told += String(data)));
  const exit = once(child, 'close').then(([code, signal]) => ({ code, signal }));
  return { child, told: () => told, exit };
}

async function ready(session = 1) {
  const { coordinator } = fixture;
  const found = await coordinator.welcomed(session);
  const echo = () =>
    found
      .of('services')
      .at(-1)
      ?.services.find(({ name }) => name === 'echo');
  await coordinator.until('echo', () => echo()?.state === 'healthy');
  return found;
}

describe('rma-worker', () => {
  it('killed with results unacknowledged tells them after its restart, with the same identity', async () => {
    const { coordinator } = fixture;
    const { child, exit } = worker();
    const first = await ready();
    const tasks = Array.from({ length: 50 }, (_, n) => ({ task: taskId(n), input: packPayload({ n }) }));
    first.dispatch(...tasks, { task: taskId(99), input: packPayload({ delayMs: 60_000 }) });
    await coordinator.until('50 results', () => first.results.length === 50);
    first.acknowledge(...first.results.slice(0, 10));
    first.dispatch({ task: taskId(60), input: packPayload('after') });
    await coordinator.until('one more', () => first.results.length === 51);
    child.kill('SIGKILL');
    await exit;
    appendFileSync(join(fixture.directory, 'state', 'outbox'), Buffer.from([0, 0, 3, 7, 1, 2, 3]));

    worker();
    const second = await coordinator.welcomed(2);
    expect(second.hello.token).toBe('own-credential');
    expect(second.hello.worker?.running).toEqual([]);
    const finished = second.hello.worker?.finished.map(({ task }) => task) ?? [];
    const unacknowledged = [...tasks.slice(10).map(({ task }) => task), taskId(60)];
    expect(finished).toEqual(expect.arrayContaining(unacknowledged));
    expect(finished).not.toContain(taskId(99));
    await coordinator.until('all results again', () => second.results.length === finished.length);
    const outputs = new Map(second.results.map(({ task, output }) => [task, unpackPayload(output as Uint8Array)]));
    for (let n = 10; n < 50; n += 1) expect(outputs.get(taskId(n))).toEqual({ n });
  });

  it('leaves on SIGTERM after what runs has ended, with status 0', async () => {
    const { coordinator } = fixture;
    const { child, exit, told } = worker();
    const session = await ready();
    session.dispatch({ input: packPayload({ delayMs: 700 }) });
    coordinator.onMessage = (_, message) => {
      if (message.type === 'results') session.acknowledge(...message.results);
    };
    await coordinator.until('running', () => told().includes('is ready'));
    child.kill('SIGTERM');
    expect(await exit).toEqual({ code: 0, signal: null });
    expect(session.results).toMatchObject([{ task: taskId(1), output: expect.any(Uint8Array) }]);
    expect(session.closed?.code).toBe(1000);
  });

  it('says in its state directory whether it is on line, for a health check, and nothing once it has ended', async () => {
    const { directory } = fixture;
    const file = join(directory, 'state', 'presence.json');
    const { child, exit } = worker();
    const state = () => JSON.parse(readFileSync(file, 'utf8')) as { state: string; since: string };
    await vi.waitFor(() => expect(state()).toMatchObject({ state: 'online' }), { timeout: 15_000 });
    const { since } = state();
    fixture.coordinator.session.socket.terminate();
    const back = () => expect(state().state === 'online' && state().since !== since).toBe(true);
    await vi.waitFor(back, { timeout: 15_000 });
    child.kill('SIGTERM');
    await exit;
    expect(existsSync(file)).toBe(false);
  });

  it('exits at once on a second signal', async () => {
    const { coordinator } = fixture;
    const { child, exit } = worker(['--grace', '60']);
    const session = await ready();
    session.dispatch({ input: packPayload({ delayMs: 60_000 }) });
    child.kill('SIGINT');
    await coordinator.until('drain', () => session.of('drain').length > 0);
    child.kill('SIGINT');
    expect((await exit).code).toBe(130);
  });

  it('exits with 3 and says what to do once it is revoked', async () => {
    const { exit, told } = worker();
    const session = await ready();
    session.send({ type: 'goodbye', reason: 'revoked', message: 'revoked by admin' });
    session.socket.close(4498, 'revoked');
    expect((await exit).code).toBe(3);
    expect(told()).toMatch(/w-proc.*was revoked.*revoked by admin.*worker\.json/);
  });

  it('exits with 2 when the coordinator speaks another version', async () => {
    const { exit, told } = worker();
    const session = await ready();
    session.send({ type: 'goodbye', reason: 'unsupported_version', message: 'this is version 2' });
    session.socket.close(4426);
    expect((await exit).code).toBe(2);
    expect(told()).toMatch(/another version.*this is version 2/);
  });

  it('exits with 1 when its state directory is in use, and says by whom', async () => {
    const first = worker();
    await ready();
    const second = worker();
    expect((await second.exit).code).toBe(1);
    expect(second.told()).toContain(`in use by process ${first.child.pid}`);
  });

  it('keeps dialling while nobody listens, and says so once', async () => {
    const { coordinator } = fixture;
    await coordinator.down();
    const { told } = worker();
    await coordinator.until('the complaint', () => told().includes('nothing listens there'));
    await coordinator.listen();
    await ready();
    expect(told().match(/nothing listens there/g)).toHaveLength(1);
  });

  it('runs own handlers, and says what is wrong with broken ones while the rest goes on', async () => {
    const { coordinator, directory } = fixture;
    const file = join(directory, 'mine.mjs');
    writeFileSync(file, 'export default { "my.kind": => 1 };');
    const { told } = worker(['--handlers', file]);
    await ready();
    await coordinator.until('the complaint', () => told().includes('your own handlers cannot be used'));
    expect(told()).toContain('mine.mjs');
    const session = coordinator.session;
    session.dispatch({ input: packPayload('still here') });
    await coordinator.until('a result', () => session.results[0]);
  });

  // What else is refused: options.test.ts.
  it('ends with 1 and the reason where its options cannot be', async () => {
    const [wrong, unknown] = [worker(['--grace', 'soon']), worker(['--only', 'nothing'])];
    expect((await wrong.exit).code).toBe(1);
    expect(wrong.told()).toMatch(/number of seconds/);
    expect((await unknown.exit).code).toBe(1);
    expect(unknown.told()).toMatch(/there is no workload 'nothing'/);
  });
});
