import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { AgentFault } from '@rma/agent/fault';
import { packPayload, unpackPayload } from '@rma/protocol/payload';
import { describe, expect, it } from 'vitest';
import { NO_ASSIGNMENT, taskId } from './support/coordinator.js';
import { HeldRuntime, useFixture } from './support/fixture.js';

const fixture = useFixture();
const state = (name: string) => join(fixture.directory, 'state', name);

function identity(url: string) {
  return JSON.stringify({ id: 'w-old1', credential: 'old-credential', url, name: 'old' });
}

describe('joining', () => {
  it('stores the credential before anything else, and uses it from then on', async () => {
    const { coordinator } = fixture;
    coordinator.answer = () => ({ id: 'w-new1', credential: 'own-credential' });
    let storedInTime = false;
    coordinator.onMessage = (_, message) => {
      if (message.type === 'results') storedInTime = existsSync(state('worker.json'));
    };
    const runtime = new HeldRuntime();
    runtime.reply = () => ({ ok: true, output: 1 });
    const agent = fixture.agent({ runtimes: [runtime] });
    await agent.start();
    const first = await coordinator.welcomed();
    expect(first.hello.token).toBe('join-token');
    expect(first.hello.worker?.services).toMatchObject([{ name: 'held', state: 'healthy', kinds: ['echo'] }]);
    first.dispatch({});
    await coordinator.until('a result', () => first.results.length > 0);
    expect(storedInTime).toBe(true);
    expect(JSON.parse(readFileSync(state('worker.json'), 'utf8'))).toMatchObject({
      id: 'w-new1',
      credential: 'own-credential',
    });
    expect(agent.worker).toEqual({ id: 'w-new1', name: 'test' });

    coordinator.answer = () => ({});
    first.socket.terminate();
    const second = await coordinator.welcomed(2);
    expect(second.hello.token).toBe('own-credential');
    expect(second.hello.worker?.key).toBe(first.hello.worker?.key);
    expect(second.hello.worker?.instance).toBe(first.hello.worker?.instance);
  });

  it('repeats its first join with the same key when the answer was lost', async () => {
    const { coordinator } = fixture;
    coordinator.answer = (_, session) => {
      session.socket.terminate();
      return undefined;
    };
    await fixture.agent().start();
    const first = await coordinator.welcomed();
    const second = await coordinator.welcomed(2);
    expect(second.hello.worker?.key).toBe(first.hello.worker?.key);
    expect(second.hello.token).toBe('join-token');
  });

  it('never shows its credential to another coordinator', async () => {
    const { coordinator } = fixture;
    await fixture.agent().start();
    await coordinator.welcomed();
    const other = fixture.agent({ stateDir: join(fixture.directory, 'other'), token: undefined });
    await expect(other.start()).rejects.toThrow(/needs a join token/);

    const directory = join(fixture.directory, 'moved');
    const before = fixture.agent({ stateDir: directory });
    await before.start();
    await before.stop();
    writeFileSync(join(directory, 'worker.json'), identity('http://10.9.8.7:8080'));
    const without = fixture.agent({ stateDir: directory, token: undefined });
    await expect(without.start()).rejects.toThrow(/belongs to w-old1 at http:\/\/10.9.8.7:8080/);
    const count = coordinator.sessions.length;
    await fixture.agent({ stateDir: directory }).start();
    expect((await coordinator.welcomed(count + 1)).hello.token).toBe('join-token');
    expect(existsSync(join(directory, 'worker.w-old1.json'))).toBe(true);
  });

  it('takes the ways to write one address for the same', async () => {
    const { coordinator } = fixture;
    coordinator.answer = () => ({ id: 'w-new1', credential: 'own-credential' });
    const first = fixture.agent();
    await first.start();
    await coordinator.until('the identity', () => first.worker !== undefined);
    await first.stop();
    await fixture.agent({ url: coordinator.url.replace('http://127.0.0.1', 'ws://localhost') }).start();
    expect((await coordinator.welcomed(2)).hello.token).toBe('own-credential');
  });

  it('refuses to send its token in the clear, unless told to', async () => {
    await expect(fixture.agent({ url: 'http://pool.example:8080' }).start()).rejects.toThrow(/--insecure/);
    await expect(fixture.agent({ url: 'pool.example' }).start()).rejects.toThrow(AgentFault);
    await expect(fixture.agent({ url: `${fixture.coordinator.url}?token=x` }).start()).rejects.toThrow(
      /must not hold a token/,
    );
  });

  it('ends with a remedy when the coordinator has no place for it', async () => {
    const { coordinator } = fixture;
    coordinator.answer = (_, session) => {
      session.send({ type: 'error', error: { kind: 'unauthenticated', message: 'this token has expired' } });
      session.send({ type: 'goodbye', reason: 'unauthenticated', message: 'this token has expired' });
      session.socket.close(4401);
      return undefined;
    };
    const agent = fixture.agent();
    await agent.start();
    const end = await agent.ended;
    expect(end.exitStatus).toBe(3);
    expect(end.message).toMatch(/this token has expired.*rma token create join/);
  });
});

describe('running tasks', () => {
  it('answers all that ended in one turn with one frame', async () => {
    const { coordinator } = fixture;
    const runtime = new HeldRuntime();
    runtime.reply = (job) => ({ ok: true, output: job.input });
    await fixture.agent({ runtimes: [runtime] }).start();
    const session = await coordinator.welcomed();
    session.dispatch(...[1, 2, 3, 4].map((n) => ({ task: taskId(n), input: packPayload({ n }) })));
    await coordinator.until('four results', () => session.results.length === 4);
    expect(session.of('results')).toHaveLength(1);
    expect(session.results.map(({ output }) => unpackPayload(output as Uint8Array))).toEqual(
      [1, 2, 3, 4].map((n) => ({ n })),
    );
  });

  it('tells progress and chunks while it runs, and the result after its last chunk', async () => {
    const { coordinator } = fixture;
    const runtime = new HeldRuntime();
    await fixture.agent({ runtimes: [runtime] }).start();
    const session = await coordinator.welcomed();
    session.dispatch({ timeoutMs: 5_000 });
    const held = await coordinator.until('a task', () => runtime.held[0]);
    expect(held.job.timeoutMs).toBeLessThanOrEqual(5_000);
    expect(held.job.timeoutMs).toBeGreaterThan(4_000);
    held.listener.progress(0.5, 'half');
    held.listener.chunk('a');
    held.listener.chunk('b');
    held.finish({ ok: true, output: 'ab' });
    await coordinator.until('the result', () => session.results.length === 1);
    expect(session.chunks.map(({ chunk, data }) => [chunk, unpackPayload(data)])).toEqual([
      [1, 'a'],
      [2, 'b'],
    ]);
    const types = session.messages.map(({ type }) => type);
    expect(types.indexOf('chunks')).toBeLessThan(types.indexOf('results'));
  });

  it('reaches the running handler with a stop and tells how it ended', async () => {
    const { coordinator } = fixture;
    const runtime = new HeldRuntime();
    await fixture.agent({ runtimes: [runtime] }).start();
    const session = await coordinator.welcomed();
    session.dispatch({});
    const held = await coordinator.until('a task', () => runtime.held[0]);
    session.send({ type: 'stop', attempts: [{ task: taskId(1), attempt: 1, reason: 'cancelled by its client' }] });
    const result = await coordinator.until('a result', () => session.results[0]);
    expect(held.cancelled).toBe(true);
    expect(result.error).toMatchObject({ code: 'cancelled' });
  });

  it('is not brought down by a runtime that throws, nor by messages that it does not know', async () => {
    const { coordinator } = fixture;
    const runtime = new HeldRuntime();
    runtime.reply = () => {
      throw new Error('a defect');
    };
    await fixture.agent({ runtimes: [runtime] }).start();
    const session = await coordinator.welcomed();
    session.socket.send('{"type":"from the future"}');
    session.dispatch({});
    const result = await coordinator.until('a result', () => session.results[0]);
    expect(result.error).toMatchObject({ code: 'internal', retryable: true });
  });

  it.each([
    ['bytes that are no MessagePack', Buffer.from([0xc1, 0, 0])],
    ['an invalid message', '{"type":"dispatch","tasks":[{}]}'],
    ['text that is no JSON', 'not json'],
  ])('goes on in another session after %s', async (_, frame) => {
    const { coordinator } = fixture;
    const runtime = new HeldRuntime();
    await fixture.agent({ runtimes: [runtime] }).start();
    const first = await coordinator.welcomed();
    first.dispatch({});
    const held = await coordinator.until('the task', () => runtime.held[0]);
    first.socket.send(frame);
    const second = await coordinator.welcomed(2);
    expect(first.closed?.code).toBe(4400);
    expect(second.hello.worker?.running).toMatchObject([{ task: taskId(1), attempt: 1 }]);
    held.finish({ ok: true, output: 1 });
    await coordinator.until('the result', () => second.results[0]);
  });

  it('announces its services whenever one changed', async () => {
    const { coordinator } = fixture;
    const runtime = new HeldRuntime();
    await fixture.agent({ runtimes: [runtime] }).start();
    const session = await coordinator.welcomed();
    runtime.set([
      { name: 'held', runtime: 'embedded', state: 'unhealthy', kinds: ['echo'], slots: 1, reason: 'it broke' },
    ]);
    const [message] = await coordinator.until(
      'services',
      () => session.of('services').length > 0 && session.of('services'),
    );
    expect(message?.services).toMatchObject([{ state: 'unhealthy', reason: 'it broke' }]);
    session.dispatch({});
    const result = await coordinator.until('a result', () => session.results[0]);
    expect(result.error).toMatchObject({ code: 'refused' });
  });

  it('runs the workloads that it is assigned, and stops those that are taken away', async () => {
    const { coordinator } = fixture;
    const echo = { ...NO_ASSIGNMENT, workloads: [{ workload: 'echo', reason: 'test' }] };
    coordinator.answer = () => ({ assignment: echo });
    await fixture.agent({ only: ['echo'] }).start();
    const session = await coordinator.welcomed();
    expect(session.hello.worker?.available).toMatchObject([{ workload: 'echo', kinds: ['echo'] }]);
    await coordinator.until('echo', () => session.of('services').at(-1)?.services[0]?.state === 'healthy');
    session.dispatch({ input: packPayload({ hello: 'world' }) });
    const result = await coordinator.until('a result', () => session.results[0]);
    expect(unpackPayload(result.output as Uint8Array)).toEqual({ hello: 'world' });
    session.send({ type: 'assign', assignment: NO_ASSIGNMENT });
    await coordinator.until('no service', () => session.of('services').at(-1)?.services.length === 0);
  });

  it('samples the load of the machine', async () => {
    const { coordinator } = fixture;
    const load = { cpu: 0.5, memoryUsedMiB: 100, gpus: [] };
    await fixture.agent({ runtimes: [new HeldRuntime()], sample: () => Promise.resolve(load) }).start();
    const session = await coordinator.welcomed();
    const [sample] = await coordinator.until('a sample', () => session.of('sample').length > 0 && session.of('sample'));
    expect(sample?.load).toEqual(load);
  });
});

describe('leaving', () => {
  it('takes nothing new, lets running tasks end, tells their results and closes with 1000', async () => {
    const { coordinator } = fixture;
    const runtime = new HeldRuntime();
    const agent = fixture.agent({ runtimes: [runtime] });
    await agent.start();
    const session = await coordinator.welcomed();
    session.dispatch({});
    const held = await coordinator.until('a task', () => runtime.held[0]);
    coordinator.onMessage = (_, message) => {
      if (message.type === 'results') session.acknowledge(...message.results);
    };
    const drained = agent.drain();
    await coordinator.until('drain', () => session.of('drain')[0]?.draining);
    session.dispatch({ task: taskId(2) });
    const refused = await coordinator.until('a refusal', () => session.results[0]);
    expect(refused).toMatchObject({ task: taskId(2), error: { code: 'refused', retryable: true } });
    held.finish({ ok: true, output: 'done' });
    await drained;
    expect(session.results.map(({ task }) => task)).toEqual([taskId(2), taskId(1)]);
    await coordinator.until('the close', () => session.closed);
    expect(session.closed?.code).toBe(1000);
    expect(runtime.stopped).toBe(true);
    expect(await agent.ended).toEqual({ exitStatus: 0 });
  });

  it('hands back what does not end in time', async () => {
    const { coordinator } = fixture;
    const runtime = new HeldRuntime();
    const agent = fixture.agent({ runtimes: [runtime] });
    await agent.start();
    const session = await coordinator.welcomed();
    session.dispatch({});
    await coordinator.until('a task', () => runtime.held[0]);
    coordinator.onMessage = (_, message) => {
      if (message.type === 'results') session.acknowledge(...message.results);
    };
    await agent.drain(50);
    expect(session.results).toMatchObject([{ error: { code: 'cancelled', retryable: true } }]);
  });

  it('leaves without a coordinator, too, and keeps its results for the next start', async () => {
    const { coordinator } = fixture;
    coordinator.answer = () => ({ id: 'w-new1', credential: 'own' });
    const runtime = new HeldRuntime();
    const agent = fixture.agent({ runtimes: [runtime] });
    await agent.start();
    const session = await coordinator.welcomed();
    session.dispatch({});
    const held = await coordinator.until('a task', () => runtime.held[0]);
    await coordinator.down();
    await coordinator.until('off line', () => !agent.online);
    held.finish({ ok: true, output: 'kept' });
    await agent.drain();
    await coordinator.listen();
    await fixture.agent({ runtimes: [new HeldRuntime()] }).start();
    const again = await coordinator.welcomed(2);
    expect(again.hello.worker?.finished).toEqual([{ task: taskId(1), attempt: 1 }]);
    const result = await coordinator.until('the result', () => again.results[0]);
    expect(unpackPayload(result.output as Uint8Array)).toBe('kept');
  });
});
