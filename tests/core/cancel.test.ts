/** Cancelling, in every state that a task can be in. */
import { describe, expect, it, vi } from 'vitest';
import { Pool } from './harness.js';
import { Client, taskId, WorkerPeer } from './peer.js';

const setUp = () => {
  const pool = new Pool();
  return { pool, alice: new Client(pool) };
};

describe('cancelling a task', () => {
  it('that is queued ends it at once', () => {
    const { pool, alice } = setUp();
    const id = alice.submitWatched();
    const { replies, ended } = alice.cancel(id);
    expect(replies).toMatchObject([{ result: { state: 'cancelled' } }]);
    expect(ended).toMatchObject([{ task: id, state: 'cancelled', attempts: 0, error: { code: 'cancelled' } }]);
    expect(new WorkerPeer(pool).dispatches()).toEqual([]);
    expect(pool.state).toMatchObject({ queued: 0, scheduled: 0 });
  });

  it('that waits for its time ends it, and its time brings nothing', () => {
    const { pool, alice } = setUp();
    const id = alice.submitWatched({ notBefore: pool.wallMs + 5_000 });
    expect(alice.cancel(id).ended).toMatchObject([{ state: 'cancelled' }]);
    expect(pool.state).toMatchObject({ queued: 0, scheduled: 0 });
    const worker = new WorkerPeer(pool);
    pool.advance(10_000);
    expect(worker.dispatches()).toEqual([]);
  });

  it('that waits for its retry ends it', () => {
    const { pool, alice } = setUp();
    const worker = new WorkerPeer(pool);
    const id = alice.submitWatched({ backoffMs: 10_000 });
    worker.fail(worker.dispatched());
    expect(alice.cancel(id).ended).toMatchObject([{ state: 'cancelled', attempts: 1 }]);
    pool.advance(20_000);
    expect(worker.dispatches()).toEqual([]);
  });

  it('that runs ends it for its client at once and reaches the worker', () => {
    const { pool, alice } = setUp();
    const worker = new WorkerPeer(pool);
    const id = alice.submitWatched();
    const given = worker.dispatched();
    expect(alice.cancel(id).ended).toMatchObject([{ state: 'cancelled', attempts: 1 }]);
    expect(worker.read().stops).toMatchObject([{ task: id, attempt: 1, reason: 'cancelled' }]);
    worker.succeed(given, 'too late');
    expect(worker.read().acknowledgedResults).toEqual([{ task: id, attempt: 1 }]);
    expect(alice.read().ended).toEqual([]);
    expect(pool.memory.tables.ended).toEqual(new Map([['cancelled', 1]]));
  });

  it('that runs on a worker that is away ends it, and the worker stops it when it reconnects', () => {
    const { pool, alice } = setUp();
    const worker = new WorkerPeer(pool);
    const id = alice.submitWatched();
    const given = worker.dispatched();
    worker.disconnect();
    expect(alice.cancel(id).ended).toHaveLength(1);
    pool.advance(60_000);
    expect(worker.verdicts({ running: [given] })).toMatchObject([{ verdict: 'stop' }]);
    expect(pool.memory.tables.ended).toEqual(new Map([['cancelled', 1]]));
  });

  it.each(['succeeded', 'failed', 'cancelled'] as const)('that %s is a conflict', (state) => {
    const { pool, alice } = setUp();
    const worker = new WorkerPeer(pool);
    const [id] = alice.submit();
    if (state === 'succeeded') worker.succeed(worker.dispatched());
    else if (state === 'failed') worker.fail(worker.dispatched(), 'broken', false);
    else alice.cancel(id!);
    const { errors, replies } = alice.cancel(id!);
    expect(replies).toEqual([]);
    expect(errors).toMatchObject([
      { about: 'cancel', error: { kind: 'conflict', message: `task ${id} ${state} already` } },
    ]);
  });

  it('that nobody knows, or that is somebody else’s, answers not_found', () => {
    const { pool, alice } = setUp();
    const [id] = alice.submit();
    expect(alice.cancel(taskId(99_999)).errors).toMatchObject([{ error: { kind: 'not_found' } }]);
    expect(new Client(pool, 'bob').cancel(id!).errors).toMatchObject([{ error: { kind: 'not_found' } }]);
    expect(pool.state.queued).toBe(1);
  });

  it('is open to an admin, whose task it is not', () => {
    const { pool, alice } = setUp();
    const id = alice.submitWatched();
    const { replies } = new Client(pool, 'admin', 'admin').cancel(id);
    expect(replies).toMatchObject([{ result: { state: 'cancelled' } }]);
    expect(alice.read().ended).toMatchObject([{ error: { message: 'cancelled by admin' } }]);
  });

  it('in the turn of its submit leaves nothing behind', () => {
    const { pool, alice } = setUp();
    new WorkerPeer(pool);
    const spec = alice.spec();
    const { session } = alice;
    pool.push({ type: 'message', session, message: { type: 'submit', tasks: [spec], watch: true } });
    pool.push({ type: 'message', session, message: { type: 'cancel', ref: 1, task: spec.id } });
    pool.settle();
    const { accepted, ended } = alice.read();
    expect(accepted).toEqual([spec.id]);
    expect(ended).toMatchObject([{ state: 'cancelled', attempts: 0 }]);
    expect(pool.state.tasks.size).toBe(0);
    expect(pool.memory.tables.owners.get('alice')).toBe(0);
  });

  it('in the turn of its result: the first one wins', () => {
    const { pool, alice } = setUp();
    const worker = new WorkerPeer(pool);
    const id = alice.submitWatched();
    const { attempt } = worker.dispatched();
    alice.read();
    const results = [{ task: id, attempt, output: new Uint8Array() }];
    pool.push({ type: 'message', session: worker.session, message: { type: 'results', results } });
    pool.push({ type: 'message', session: alice.session, message: { type: 'cancel', ref: 1, task: id } });
    pool.settle();
    const { ended, errors } = alice.read();
    expect(ended).toMatchObject([{ state: 'succeeded' }]);
    expect(errors).toMatchObject([{ error: { kind: 'conflict' } }]);
  });
});

describe('cancelling many tasks', () => {
  it('ends them in one commit and answers once, with those that could not be in a list of their own', () => {
    const { pool, alice } = setUp();
    const worker = new WorkerPeer(pool);
    const running = alice.submitWatched();
    const queued = alice.submitWatched();
    const scheduled = alice.submitWatched({ notBefore: pool.wallMs + 5_000 });
    expect(worker.dispatched().task).toBe(running);
    const [bobs] = new Client(pool, 'bob').submit();
    const unknown = taskId(99_999);
    const commit = vi.spyOn(pool.store, 'commit');
    alice.read();
    pool.push({
      type: 'message',
      session: alice.session,
      message: { type: 'cancels', ref: 7, tasks: [running, unknown, queued, bobs!, scheduled] },
    });
    pool.turn();
    expect(commit).toHaveBeenCalledTimes(1);
    expect([...commit.mock.calls[0]![0].tasks].map(({ id, state }) => [id, state])).toEqual(
      [running, queued, scheduled].map((id) => [id, 'cancelled']),
    );
    const { replies, errors, ended: ends } = alice.read();
    expect(errors).toEqual([]);
    expect(replies).toEqual([
      {
        ref: 7,
        result: {
          cancelled: [running, queued, scheduled],
          failed: [unknown, bobs!].map((task) => ({
            task,
            error: { kind: 'not_found', message: `there is no task ${task}` },
          })),
        },
      },
    ]);
    expect(ends.map(({ task, state }) => [task, state])).toEqual(
      [running, queued, scheduled].map((id) => [id, 'cancelled']),
    );
    expect(worker.read().stops).toMatchObject([{ task: running, attempt: 1, reason: 'cancelled' }]);
  });

  it('counts an id that is named twice once', () => {
    const { pool, alice } = setUp();
    const [id] = alice.submit();
    const unknown = taskId(99_999);
    const { replies } = alice.cancels(id!, unknown, id!, unknown);
    expect(replies).toMatchObject([{ result: { cancelled: [id], failed: [{ task: unknown }] } }]);
    expect(pool.memory.tables.ended).toEqual(new Map([['cancelled', 1]]));
  });

  it('answers alike when it comes again, and tells a conflict only of what ended otherwise', () => {
    const { pool, alice } = setUp();
    const worker = new WorkerPeer(pool);
    const [done] = alice.submit();
    worker.succeed(worker.dispatched());
    const [id] = alice.submit();
    const message = `task ${done} succeeded already`;
    const result = { cancelled: [id], failed: [{ task: done, error: { kind: 'conflict', message } }] };
    expect(alice.cancels(id!, done!).replies).toMatchObject([{ result }]);
    expect(alice.cancels(id!, done!).replies).toMatchObject([{ result }]);
    expect(pool.memory.tables.ended.get('cancelled')).toBe(1);
  });

  it('is open to an admin, whose tasks they are not: the audit log has each of them', () => {
    const { pool, alice } = setUp();
    const ids = alice.submit({}, {});
    const admin = new Client(pool, 'admin', 'admin');
    const commit = vi.spyOn(pool.store, 'commit');
    expect(admin.cancels(...ids).replies).toMatchObject([{ result: { cancelled: ids, failed: [] } }]);
    const events = commit.mock.calls.flatMap(([{ events }]) => events);
    expect(events.filter(({ type }) => type === 'task.cancelled').map(({ subject }) => subject)).toEqual(ids);
  });
});
