/** The client's tasks without a connection: what is submitted and watched, and when. */
import { Task, type TaskFollower } from '@rma/client/task';
import { newTaskId } from '@rma/client/task-id';
import { MAX_SUBMIT_BYTES, TaskTable } from '@rma/client/task-table';
import { ProtocolError } from '@rma/protocol/error';
import { packPayload } from '@rma/protocol/payload';
import { beforeEach, describe, expect, it } from 'vitest';
import { succeeded } from './support/pool-peer.js';

let tasks: TaskTable;
let prepared: Task[];
const follower: TaskFollower = {
  watch: (task, after) => tasks.watch(task, after),
  unwatch: (task) => tasks.unwatch(task),
  cancel: () => Promise.resolve(),
  output: () => undefined,
};

beforeEach(() => {
  prepared = [];
  tasks = new TaskTable((task) => prepared.push(task));
});

function add(input: unknown = null, watched = true, blobs?: string[]): Task {
  const task = new Task(newTaskId(), 'echo', 'unsent', watched, follower);
  task.spec = { id: task.id, kind: 'echo', input: packPayload(input), ...(blobs ? { blobs } : {}) };
  tasks.add(task);
  return task;
}

function submitted(): string[][] {
  const frames: string[][] = [];
  for (let submit = tasks.takeSubmit(); submit; submit = tasks.takeSubmit())
    frames.push(submit.tasks.map(({ id }) => id));
  return frames;
}

describe('submits', () => {
  it('hold a thousand tasks at most', () => {
    for (let i = 0; i < 2_500; i += 1) add(i);
    expect(submitted().map((tasks) => tasks.length)).toEqual([1_000, 1_000, 500]);
  });

  it('hold 256 KiB at most', () => {
    for (let i = 0; i < 20; i += 1) add('x'.repeat(60_000));
    const sizes = submitted().map((tasks) => tasks.length * 60_000);
    expect(Math.max(...sizes)).toBeLessThanOrEqual(MAX_SUBMIT_BYTES);
    expect(sizes.reduce((sum, size) => sum + size)).toBe(20 * 60_000);
  });

  it('keep tasks that are watched apart from those that are not', () => {
    add(1);
    add(2, false);
    add(3, false);
    expect(tasks.takeSubmit()).toMatchObject({ watch: true, tasks: [{}] });
    expect(tasks.takeSubmit()).toMatchObject({ watch: false, tasks: [{}, {}] });
  });

  it('forget a task that was accepted and that nobody watches', () => {
    const task = add(1, false);
    submitted();
    tasks.accepted({ type: 'accepted', tasks: [task.id] });
    expect(tasks.size).toBe(0);
  });

  it('upload the blobs of a task again before it is submitted in another session', () => {
    const task = add(1, true, ['00'.repeat(32)]);
    submitted();
    tasks.lost();
    expect(prepared).toEqual([task]);
    expect(submitted()).toEqual([]);
  });

  it('reject every task that waits for an answer where a submit was turned down as a whole', async () => {
    const accepted = add();
    const unanswered = add();
    submitted();
    tasks.accepted({ type: 'accepted', tasks: [accepted.id] });
    tasks.turnedDown('submit', new ProtocolError('invalid', 'submit: /tasks/0 must …'), 0, 0.5);
    await expect(unanswered.accepted).rejects.toMatchObject({ kind: 'invalid' });
    expect(accepted.phase).toBe('accepted');
  });
});

describe('temporary refusals', () => {
  const full = { kind: 'storage_full', message: 'full' } as const;

  it('are tried again after a wait that grows until something is accepted', () => {
    const task = add();
    const waits: number[] = [];
    for (let i = 0; i < 5; i += 1) {
      expect(submitted()).toEqual([[task.id]]);
      tasks.refused({ type: 'refused', tasks: [{ task: task.id, error: full }] }, 0, 1);
      waits.push(tasks.dueAtMs() as number);
      tasks.tick((tasks.dueAtMs() as number) - 1);
      expect(submitted()).toEqual([]);
      tasks.tick(tasks.dueAtMs() as number);
    }
    expect(waits).toEqual([250, 500, 1_000, 2_000, 4_000]);
  });

  it('are sent at once in a new session', () => {
    const task = add();
    submitted();
    tasks.refused({ type: 'refused', tasks: [{ task: task.id, error: full }] }, 0, 1);
    tasks.lost();
    expect(submitted()).toEqual([[task.id]]);
    expect(tasks.dueAtMs()).toBeUndefined();
  });
});

describe('ends', () => {
  it('settle a result once, whatever comes later', async () => {
    const task = add();
    submitted();
    tasks.accepted({ type: 'accepted', tasks: [task.id] });
    tasks.ended({ type: 'ended', tasks: [succeeded(task.id, 1)] });
    tasks.ended({ type: 'ended', tasks: [succeeded(task.id, 2)] });
    tasks.refused({ type: 'refused', tasks: [{ task: task.id, error: { kind: 'internal', message: '' } }] }, 0, 0);
    tasks.failed(new Error('closed'));
    expect(await task.output()).toBe(1);
    expect(tasks.size).toBe(0);
  });

  it('count as acceptance where that was not told', async () => {
    const task = add();
    submitted();
    tasks.ended({ type: 'ended', tasks: [succeeded(task.id, 1)] });
    await task.accepted;
  });

  it('reject a result whose payload is damaged', async () => {
    const task = add();
    submitted();
    tasks.ended({ type: 'ended', tasks: [{ ...succeeded(task.id, 1), output: new Uint8Array([0xc1]) }] });
    await expect(task.result()).rejects.toMatchObject({ kind: 'invalid' });
  });
});

describe('chunks', () => {
  const chunk = (task: Task, n: number, attempt = 1) => ({ task: task.id, attempt, chunk: n, data: packPayload(n) });
  const watches = () => tasks.takeWatches().flatMap((message) => (message.type === 'watch' ? message.tasks : []));

  function running(): Task {
    const task = add();
    submitted();
    tasks.accepted({ type: 'accepted', tasks: [task.id] });
    return task;
  }

  async function read(iterator: AsyncIterator<{ attempt: number; chunk: number }>, count: number): Promise<string[]> {
    const seen: string[] = [];
    for (let i = 0; i < count; i += 1) {
      const { value } = await iterator.next();
      seen.push(`${value.attempt}.${value.chunk}`);
    }
    return seen;
  }

  it('come once each, though they are sent twice', async () => {
    const task = running();
    const reader = task[Symbol.asyncIterator]();
    tasks.chunks({
      type: 'chunks',
      chunks: [chunk(task, 1), chunk(task, 2), chunk(task, 1), chunk(task, 2), chunk(task, 3)],
    });
    expect(await read(reader, 3)).toEqual(['1.1', '1.2', '1.3']);
  });

  it('start over with a higher attempt, and late ones of the lower one are dropped', async () => {
    const task = running();
    const reader = task[Symbol.asyncIterator]();
    tasks.chunks({ type: 'chunks', chunks: [chunk(task, 1), chunk(task, 1, 2), chunk(task, 2), chunk(task, 2, 2)] });
    expect(await read(reader, 3)).toEqual(['1.1', '2.1', '2.2']);
  });

  it('are asked for from the start by a reader who comes late', () => {
    const task = running();
    tasks.chunks({ type: 'chunks', chunks: [chunk(task, 1)] });
    task[Symbol.asyncIterator]();
    expect(watches()).toEqual([{ task: task.id, after: { attempt: 1, chunk: 0 } }]);
  });

  it('are left with the coordinator by a reader who is slow, and asked for when he has caught up', async () => {
    const task = running();
    const reader = task[Symbol.asyncIterator]();
    const all = Array.from({ length: 5_000 }, (_, i) => chunk(task, i + 1));
    tasks.chunks({ type: 'chunks', chunks: all });
    tasks.ended({ type: 'ended', tasks: [succeeded(task.id, 'whole')] });
    expect(await task.output()).toBe('whole');
    let seen = 0;
    for (;;) {
      const { done, value } = await reader.next();
      if (done) break;
      seen += 1;
      expect(value.chunk).toBe(seen);
      for (const { after } of watches()) {
        tasks.chunks({ type: 'chunks', chunks: all.slice(after?.chunk) });
        tasks.ended({ type: 'ended', tasks: [succeeded(task.id, 'whole')] });
      }
    }
    expect(seen).toBe(5_000);
  });

  it('are asked for again where one is missing', async () => {
    const task = running();
    const reader = task[Symbol.asyncIterator]();
    tasks.chunks({ type: 'chunks', chunks: [chunk(task, 1), chunk(task, 3)] });
    expect(await read(reader, 1)).toEqual(['1.1']);
    expect(watches()).toEqual([{ task: task.id, after: { attempt: 1, chunk: 1 } }]);
  });

  it('free what a reader held who leaves', async () => {
    const task = running();
    const reader = task[Symbol.asyncIterator]();
    tasks.chunks({ type: 'chunks', chunks: [chunk(task, 1)] });
    await reader.return?.();
    expect(task.isAwaited).toBe(false);
    expect(tasks.size).toBe(0);
    expect(tasks.takeWatches()).toEqual([{ type: 'unwatch', tasks: [task.id] }]);
    task.result();
    expect(watches()).toEqual([{ task: task.id, after: { attempt: 1, chunk: 1 } }]);
  });
});
