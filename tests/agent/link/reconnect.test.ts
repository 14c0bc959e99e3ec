import { packPayload, unpackPayload } from '@rma/protocol/payload';
import { describe, expect, it } from 'vitest';
import { taskId } from './support/coordinator.js';
import { HeldRuntime, useFixture } from './support/fixture.js';

const fixture = useFixture();

describe('after a lost connection', () => {
  it('tells what runs and what is finished, and does with each what the verdict says', async () => {
    const { coordinator } = fixture;
    const runtime = new HeldRuntime();
    const agent = fixture.agent({ runtimes: [runtime] });
    await agent.start();
    const first = await coordinator.welcomed();
    first.dispatch(...[1, 2, 3, 4].map((n) => ({ task: taskId(n), input: packPayload(n) })));
    await coordinator.until('four tasks', () => runtime.held.length === 4);
    runtime.held[0]?.finish({ ok: true, output: 'one' });
    runtime.held[1]?.finish({ ok: true, output: 'two' });
    await coordinator.until('two results', () => first.results.length === 2);

    coordinator.answer = () => ({
      verdicts: [
        { task: taskId(1), attempt: 1, verdict: 'resend' },
        { task: taskId(2), attempt: 1, verdict: 'drop' },
        { task: taskId(3), attempt: 1, verdict: 'keep' },
        { task: taskId(4), attempt: 1, verdict: 'stop' },
      ],
    });
    first.socket.terminate();
    const second = await coordinator.welcomed(2);
    const named = (refs: readonly { task: string }[] = []) => refs.map(({ task }) => task);
    expect(named(second.hello.worker?.finished)).toEqual([taskId(1), taskId(2)]);
    expect(named(second.hello.worker?.running)).toEqual([taskId(3), taskId(4)]);
    await coordinator.until('the stop', () => runtime.held[3]?.cancelled);
    expect(runtime.held[2]?.cancelled).toBe(false);
    runtime.held[2]?.finish({ ok: true, output: 'three' });
    await coordinator.until('three results', () => second.results.length === 3);
    const outputOf = (n: number) => second.results.find(({ task }) => task === taskId(n))?.output as Uint8Array;
    expect([1, 3].map((n) => unpackPayload(outputOf(n)))).toEqual(['one', 'three']);
    expect(second.results.find(({ task }) => task === taskId(4))).toMatchObject({ error: { code: 'cancelled' } });
    expect(agent.unacknowledged).toBe(3);
  });

  it('tells results of work that ended in between', async () => {
    const { coordinator } = fixture;
    const runtime = new HeldRuntime();
    const agent = fixture.agent({ runtimes: [runtime] });
    await agent.start();
    (await coordinator.welcomed()).dispatch({});
    const held = await coordinator.until('a task', () => runtime.held[0]);
    await coordinator.down();
    await coordinator.until('off line', () => !agent.online);
    held.finish({ ok: true, output: 'made off line' });
    await coordinator.until('finished', () => agent.unacknowledged === 1);
    await coordinator.listen();
    const second = await coordinator.welcomed(2);
    const result = await coordinator.until('the result', () => second.results[0]);
    expect(unpackPayload(result.output as Uint8Array)).toBe('made off line');
  });

  it('sends the chunks again that the coordinator does not have', async () => {
    const { coordinator } = fixture;
    const runtime = new HeldRuntime();
    await fixture.agent({ runtimes: [runtime] }).start();
    const first = await coordinator.welcomed();
    first.dispatch({});
    const held = await coordinator.until('a task', () => runtime.held[0]);
    for (const text of ['a', 'b', 'c']) held.listener.chunk(text);
    await coordinator.until('three chunks', () => first.chunks.length === 3);
    coordinator.answer = () => ({ verdicts: [{ task: taskId(1), attempt: 1, verdict: 'keep', chunk: 1 }] });
    first.socket.terminate();
    const second = await coordinator.welcomed(2);
    await coordinator.until('two chunks', () => second.chunks.length === 2);
    held.listener.chunk('d');
    held.finish({ ok: true, output: 'abcd' });
    await coordinator.until('the result', () => second.results.length === 1);
    expect(second.chunks.map(({ chunk, data }) => [chunk, unpackPayload(data)])).toEqual([
      [2, 'b'],
      [3, 'c'],
      [4, 'd'],
    ]);
  });

  it('does not start a second time what it is given twice', async () => {
    const { coordinator } = fixture;
    const runtime = new HeldRuntime();
    await fixture.agent({ runtimes: [runtime] }).start();
    const session = await coordinator.welcomed();
    session.dispatch({}, {});
    session.dispatch({}, { task: taskId(2) });
    await coordinator.until('the other task', () => runtime.held.length === 2);
    runtime.held[0]?.finish({ ok: true, output: 1 });
    await coordinator.until('a result', () => session.results.length === 1);
    session.dispatch({});
    await coordinator.until('the result again', () => session.results.length === 2);
    expect(runtime.held).toHaveLength(2);
  });
});

describe('a silent connection', () => {
  it('is kept up by a heartbeat from this side, and given up when nothing comes from the other', async () => {
    const { coordinator } = fixture;
    await fixture.agent({ runtimes: [new HeldRuntime()] }).start();
    const first = await coordinator.welcomed();
    const startedAt = performance.now();
    await coordinator.until('a heartbeat', () => first.of('heartbeat').length > 0);
    expect(performance.now() - startedAt).toBeGreaterThan(2_500);
    const second = await coordinator.welcomed(2);
    expect(performance.now() - startedAt).toBeGreaterThan(7_500);
    expect(first.closed?.code).toBe(4410);
    expect(second.hello.worker?.running).toEqual([]);
  });
});
