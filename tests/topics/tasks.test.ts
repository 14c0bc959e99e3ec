/** The topic `tasks`: the newest that fit, whatever happens to how many. */
import { makeEffects } from '@rma/server/core/effects';
import { makeState } from '@rma/server/core/state';
import type { Task } from '@rma/server/core/task';
import type { StoredTask } from '@rma/server/store/reader';
import { TasksTopic } from '@rma/server/topics/tasks';
import { expect, it } from 'vitest';
import { aTask } from './support/task.js';

const state = makeState();

function see(topic: TasksTopic, ...tasks: Task[]): void {
  const effects = makeEffects();
  for (const task of tasks) effects.persist.tasks.add(task);
  topic.observe({ effects, state, wallMs: 0 });
}

const stored = (task: Task): StoredTask => ({
  seq: task.seq,
  lane: 1,
  inputBytes: 1,
  id: task.id,
  kind: task.kind,
  state: task.state,
  priority: 0,
  attempt: 0,
  owner: task.owner,
  submittedAt: task.submittedAt,
});

const empty = { tasks: () => Promise.resolve<StoredTask[]>([]) };

it('shows the newest of very many, and counts those left out', async () => {
  const topic = new TasksTopic({ limit: 10 }, undefined, empty);
  await topic.snapshot(state, 0);
  const many = Array.from({ length: 5_000 }, () => aTask());
  for (const task of many) see(topic, task);
  const change = topic.takeChange(state, 0)!;
  expect([...change.tasks.keys()]).toEqual(many.slice(-10).map(({ id }) => id));
  expect(change.omitted).toBe(4_990);
  expect(topic.takeChange(state, 0)).toBeUndefined();
});

it('sends a task once per change message, in its latest state', async () => {
  const topic = new TasksTopic({}, undefined, empty);
  await topic.snapshot(state, 0);
  const task = aTask();
  see(topic, task);
  task.state = 'running';
  see(topic, task);
  task.state = 'succeeded';
  see(topic, task);
  const change = topic.takeChange(state, 0)!;
  expect([...change.tasks.values()]).toMatchObject([{ id: task.id, state: 'succeeded' }]);
  expect(change.omitted).toBe(0);
});

it('removes tasks that no longer match, but none that was never sent', async () => {
  const topic = new TasksTopic({ states: ['queued'] }, undefined, empty);
  await topic.snapshot(state, 0);
  const [sent, unsent] = [aTask(), aTask()];
  see(topic, sent);
  topic.takeChange(state, 0);
  see(topic, unsent);
  sent.state = 'running';
  unsent.state = 'running';
  see(topic, sent, unsent);
  const change = topic.takeChange(state, 0)!;
  expect([...change.gone]).toEqual([sent.id]);
  expect(change.tasks.size).toBe(0);
});

it("never shows a client another owner's", async () => {
  const topic = new TasksTopic({ owner: 'other' }, 'me', empty);
  await topic.snapshot(state, 0);
  const mine = aTask({ owner: 'me' });
  see(topic, mine, aTask({ owner: 'other' }));
  expect([...topic.takeChange(state, 0)!.tasks.keys()]).toEqual([mine.id]);
});

it('knows better what changed while the store was read', async () => {
  const task = aTask();
  const old = stored(task);
  let answer = (_: StoredTask[]): void => undefined;
  const topic = new TasksTopic({}, undefined, { tasks: () => new Promise((resolve) => (answer = resolve)) });
  const snapshot = topic.snapshot(state, 0);
  task.state = 'succeeded';
  see(topic, task);
  answer([old]);
  expect(await snapshot).toMatchObject([{ snapshot: true, tasks: [{ id: task.id, state: 'succeeded' }] }]);
});

it('asks the store for older ones once room has come up', async () => {
  const older = Array.from({ length: 4 }, () => aTask());
  const newer = Array.from({ length: 4 }, () => aTask());
  let rows = [...newer].reverse().map(stored);
  const topic = new TasksTopic({ states: ['queued'], limit: 4 }, undefined, { tasks: () => Promise.resolve(rows) });
  await topic.snapshot(state, 0);
  rows = [...older].reverse().map(stored);
  for (const task of newer) task.state = 'running';
  see(topic, ...newer);
  topic.takeChange(state, 10_000);
  await Promise.resolve();
  await new Promise((resolve) => setImmediate(resolve));
  expect([...(topic.takeChange(state, 10_001)?.tasks.keys() ?? [])].sort()).toEqual(older.map(({ id }) => id).sort());
});

it('merges changes for who reads slowly into one that is no larger than the list', async () => {
  const topic = new TasksTopic({ limit: 5 }, undefined, empty);
  await topic.snapshot(state, 0);
  let pending: ReturnType<TasksTopic['takeChange']>;
  for (let round = 0; round < 200; round++) {
    see(topic, ...Array.from({ length: 20 }, () => aTask()));
    const change = topic.takeChange(state, 0)!;
    pending = pending ? topic.merge(pending, change) : change;
  }
  expect(pending!.tasks.size).toBeLessThanOrEqual(5);
  expect(pending!.gone.size).toBeLessThanOrEqual(10);
  expect(pending!.omitted).toBe(200 * 15);
});
