import type { Attempt } from '@rma/agent/attempts/attempt';
import { Attempts } from '@rma/agent/attempts/attempts';
import { Services } from '@rma/agent/attempts/services';
import { packPayload } from '@rma/protocol/payload';
import type { Dispatch } from '@rma/protocol/task';
import type { Execution } from '@rma/workloads/runtime';
import { describe, expect, it } from 'vitest';
import { taskId } from '../link/support/coordinator.js';
import { HeldRuntime } from '../link/support/fixture.js';

const OUTPUT = packPayload('done');

function dispatch(n: number, more: Partial<Dispatch> = {}): Dispatch {
  return { task: taskId(n), attempt: 1, kind: 'echo', input: packPayload(n), timeoutMs: 1_000, ...more };
}

function running(): Execution {
  return { done: new Promise(() => undefined), cancel: () => undefined };
}

/** A table of attempts on a runtime with some slots, online. */
function table(slots = 2) {
  const runtime = new HeldRuntime(['echo'], slots);
  const services = new Services();
  services.update([runtime]);
  const asked: string[] = [];
  const note = (what: string) => (attempt: Attempt) => {
    asked.push(`${what} ${Number.parseInt(attempt.task.slice(-6), 16)}`);
  };
  const attempts = new Attempts(services, {
    // As the shell does, without running anything.
    start: (attempt) => {
      note('start')(attempt);
      attempts.start(attempt, running, 0);
    },
    fetch: note('fetch'),
    cancel: note('cancel'),
    upload: note('upload'),
    endTransfers: note('end transfers of'),
    forget: note('forget'),
  });
  attempts.online([], 0);
  /** What was asked of the executor since the last call. */
  const asks = () => asked.splice(0);
  const find = (n: number) => {
    const found = attempts.find({ task: taskId(n), attempt: 1 });
    if (!found) throw new Error(`no attempt ${n}`);
    return found;
  };
  const finish = (n: number) => attempts.ended(find(n), { ok: true, output: OUTPUT }, 10);
  return { attempts, runtime, services, asks, find, finish };
}

describe('attempts', () => {
  it('start as many as there are slots, and the others as slots come free', () => {
    const { attempts, asks, finish } = table(2);
    attempts.dispatch([dispatch(1), dispatch(2), dispatch(3)], 0);
    expect(asks()).toEqual(['start 1', 'start 2']);
    finish(1);
    expect(asks()).toEqual(['start 3']);
    expect(attempts.unfinished).toBe(2);
    expect(attempts.unacknowledged).toBe(1);
  });

  it('ignore the dispatch of what runs already', () => {
    const { attempts, asks } = table();
    attempts.dispatch([dispatch(1)], 0);
    asks();
    attempts.dispatch([dispatch(1)], 1);
    expect(asks()).toEqual([]);
    expect(attempts.unfinished).toBe(1);
  });

  it('refuse what no service serves, to be tried elsewhere', () => {
    const { attempts } = table();
    attempts.dispatch([dispatch(1, { kind: 'llm.chat' })], 0);
    const [refused] = attempts.takeOutgoing().fresh;
    expect(refused?.state).toMatchObject({ name: 'finished', result: { error: { code: 'refused', retryable: true } } });
  });

  it('that wait for a slot are refused when the service goes', () => {
    const { attempts, runtime, services, asks } = table(1);
    attempts.dispatch([dispatch(1), dispatch(2)], 0);
    asks();
    runtime.set([]);
    services.update([runtime]);
    attempts.servicesChanged(5);
    expect(attempts.takeOutgoing().fresh.map(({ task }) => task)).toEqual([taskId(2)]);
  });

  it('tell what runs and what is finished, and forget what is acknowledged', () => {
    const { attempts, asks, finish } = table();
    attempts.dispatch([dispatch(1), dispatch(2)], 0);
    asks();
    finish(1);
    expect(attempts.lists()).toEqual({
      running: [{ task: taskId(2), attempt: 1, service: 'held' }],
      finished: [{ task: taskId(1), attempt: 1 }],
    });
    attempts.acknowledged({ type: 'acknowledged', results: [{ task: taskId(1), attempt: 1 }] });
    expect(attempts.lists().finished).toEqual([]);
    expect(attempts.unacknowledged).toBe(0);
  });

  it('send a result again when the verdict says so, and drop it when that is said', () => {
    const { attempts, asks, finish } = table();
    attempts.dispatch([dispatch(1), dispatch(2)], 0);
    asks();
    finish(1);
    finish(2);
    attempts.takeOutgoing();
    attempts.offline();
    attempts.online(
      [
        { task: taskId(1), attempt: 1, verdict: 'resend' },
        { task: taskId(2), attempt: 1, verdict: 'drop' },
      ],
      20,
    );
    expect(attempts.takeOutgoing().again.map(({ task }) => task)).toEqual([taskId(1)]);
    expect(attempts.unacknowledged).toBe(1);
  });

  it('stopped by a verdict keep their slots until they ended, and confirm that without their output', () => {
    const { attempts, asks, find } = table();
    attempts.dispatch([dispatch(1)], 0);
    asks();
    const stopped = find(1);
    attempts.offline();
    attempts.online([{ task: taskId(1), attempt: 1, verdict: 'stop' }], 20);
    expect(asks()).toEqual(['cancel 1']);
    const running = [{ task: taskId(1), attempt: 1, service: 'held' }];
    expect(attempts.lists()).toEqual({ running, finished: [] });
    attempts.ended(stopped, { ok: true, output: OUTPUT }, 30);
    const [confirmed] = attempts.takeOutgoing().fresh;
    expect(confirmed?.state).toMatchObject({ result: { task: taskId(1), attempt: 1, error: { code: 'cancelled' } } });
    expect(attempts.unfinished).toBe(0);
  });

  it('stopped by a verdict after they ended confirm that, and drop the files of their output', () => {
    const { attempts, asks, find } = table();
    attempts.dispatch([dispatch(1)], 0);
    attempts.offline();
    attempts.ended(find(1), { ok: true, output: OUTPUT, blobs: ['ab'.repeat(32)] }, 10);
    attempts.takeOutgoing();
    asks();
    attempts.online([{ task: taskId(1), attempt: 1, verdict: 'stop' }], 20);
    expect(asks()).toEqual(['forget 1']);
    const [confirmed] = attempts.takeOutgoing().again;
    expect(confirmed?.state).toMatchObject({ result: { error: { code: 'cancelled' } } });
    attempts.acknowledged({ type: 'acknowledged', results: [{ task: taskId(1), attempt: 1 }] });
    expect(attempts.unacknowledged).toBe(0);
  });

  it('number their chunks from 1 and send those again that are not stored', () => {
    const { attempts, asks, find } = table();
    attempts.dispatch([dispatch(1)], 0);
    asks();
    for (const text of ['a', 'b', 'c']) attempts.chunk(find(1), packPayload(text), 1);
    expect(attempts.takeOutgoing().chunks.map(({ chunk }) => chunk)).toEqual([1, 2, 3]);
    attempts.acknowledged({ type: 'acknowledged', chunks: [{ task: taskId(1), attempt: 1, chunk: 1 }] });
    attempts.offline();
    attempts.chunk(find(1), packPayload('d'), 2);
    attempts.online([{ task: taskId(1), attempt: 1, verdict: 'keep', chunk: 2 }], 20);
    expect(attempts.takeOutgoing().chunks.map(({ chunk }) => chunk)).toEqual([3, 4]);
  });

  it('with a chunk above the limit fail, whatever the handler makes of its cancellation', () => {
    const { attempts, asks, find, finish } = table();
    attempts.dispatch([dispatch(1)], 0);
    asks();
    attempts.chunk(find(1), packPayload('x'.repeat(70_000)), 1);
    expect(asks()).toEqual(['cancel 1']);
    finish(1);
    expect(find(1).state).toMatchObject({ result: { error: { code: 'chunk.too_large', retryable: false } } });
  });

  it('whose input does not arrive in time end with a timeout and give their slot back', () => {
    const { attempts, asks, find } = table(1);
    attempts.dispatch([dispatch(1, { blobs: ['a'.repeat(64)] }), dispatch(2)], 0);
    expect(asks()).toEqual(['fetch 1']);
    attempts.tick(1_000);
    expect(find(1).state).toMatchObject({ result: { error: { code: 'timeout' } } });
    expect(asks()).toEqual(['start 2', 'end transfers of 1']);
  });

  it('hold a result back until its blobs are uploaded', () => {
    const { attempts, asks, find } = table();
    attempts.dispatch([dispatch(1)], 0);
    asks();
    const blob = 'b'.repeat(64);
    attempts.ended(find(1), { ok: true, output: OUTPUT, blobs: [blob] }, 5);
    expect(asks()).toEqual(['upload 1']);
    const out = attempts.takeOutgoing();
    expect(out.held).toHaveLength(1);
    expect(out.fresh).toEqual([]);
    attempts.uploaded(find(1), blob);
    expect(attempts.takeOutgoing().again).toHaveLength(1);
  });

  it('offer the blobs of an unacknowledged result again in the next session: they may have been swept meanwhile', () => {
    const { attempts, asks, find } = table();
    attempts.dispatch([dispatch(1)], 0);
    const blob = 'b'.repeat(64);
    attempts.ended(find(1), { ok: true, output: OUTPUT, blobs: [blob] }, 5);
    attempts.uploaded(find(1), blob);
    attempts.takeOutgoing();
    asks();
    attempts.offline();
    attempts.online([{ task: taskId(1), attempt: 1, verdict: 'resend', chunk: 0 }], 9);
    expect([asks(), attempts.takeOutgoing().again]).toEqual([['upload 1'], []]);
    attempts.uploaded(find(1), blob);
    expect(attempts.takeOutgoing().again).toHaveLength(1);
  });

  it('go back to the pool when the worker leaves', () => {
    const { attempts, asks, find, finish } = table();
    attempts.dispatch([dispatch(1)], 0);
    asks();
    attempts.cancelAll('the worker left', 5);
    expect(asks()).toEqual(['cancel 1']);
    finish(1);
    expect(find(1).state).toMatchObject({ result: { error: { code: 'cancelled', retryable: true } } });
  });
});
