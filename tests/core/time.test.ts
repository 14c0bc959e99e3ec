/** What time brings: waits that end, tasks that expire, attempts that take too long, workers that stay away. */
import { describe, expect, it } from 'vitest';
import { Pool } from './harness.js';
import { Client, WorkerPeer } from './peer.js';

function setUp() {
  const pool = new Pool();
  return { pool, alice: new Client(pool) };
}

describe('a task with a ttl', () => {
  it('expires when it did not start within, wherever it waits', () => {
    const pool = new Pool({ settings: { windowTasks: 1 } });
    const alice = new Client(pool);
    const held = alice.submitWatched({ ttlMs: 1_000 });
    const stored = alice.submitWatched({ ttlMs: 1_000 });
    pool.advance(999);
    expect(alice.read().ended).toEqual([]);
    pool.advance(100);
    expect(alice.read().ended).toMatchObject([
      { task: held, state: 'expired', error: { code: 'expired' } },
      { task: stored, state: 'expired', error: { code: 'expired' } },
    ]);
    expect(pool.state.queued).toBe(0);
  });

  it('does not expire once it started, nor while it waits for its retry', () => {
    const { pool, alice } = setUp();
    const worker = new WorkerPeer(pool);
    alice.submitWatched({ ttlMs: 1_000, backoffMs: 5_000 });
    const given = worker.dispatched();
    pool.advance(2_000);
    worker.fail(given);
    pool.advance(10_000);
    expect(worker.dispatched().attempt).toBe(2);
    expect(alice.read().ended).toEqual([]);
  });

  it('expires after a restart, however long that took', () => {
    const { pool, alice } = setUp();
    alice.submit({ ttlMs: 1_000 });
    pool.nowMs += 3_600_000;
    pool.wallMs += 3_600_000;
    pool.restart();
    pool.settle();
    expect(pool.memory.tables.ended.get('expired')).toBe(1);
  });

  it('that ends before its time comes expires instead of starting', () => {
    const { pool, alice } = setUp();
    const worker = new WorkerPeer(pool);
    alice.submitWatched({ ttlMs: 1_000, notBefore: pool.wallMs + 5_000 });
    pool.advance(6_000);
    expect(worker.dispatches()).toEqual([]);
    expect(alice.read().ended).toMatchObject([{ state: 'expired', attempts: 0 }]);
    expect(pool.state).toMatchObject({ queued: 0, scheduled: 0 });
  });
});

describe('a task that is not to start before a time', () => {
  it('waits on disk only, and starts then', () => {
    const { pool, alice } = setUp();
    const worker = new WorkerPeer(pool);
    const id = alice.submitWatched({ notBefore: pool.wallMs + 5_000 });
    expect(pool.state).toMatchObject({ queued: 0, scheduled: 1 });
    expect(pool.state.tasks.size).toBe(0);
    pool.advance(4_900);
    expect(worker.dispatches()).toEqual([]);
    pool.advance(100);
    expect(worker.dispatched().task).toBe(id);
    expect(alice.read().changed.map(({ state }) => state)).toEqual(['queued', 'running']);
  });

  it('starts after a restart, too', () => {
    const { pool, alice } = setUp();
    alice.submit({ notBefore: pool.wallMs + 5_000 });
    pool.restart();
    expect(pool.state.scheduled).toBe(1);
    const worker = new WorkerPeer(pool);
    pool.advance(5_000);
    expect(worker.dispatches()).toHaveLength(1);
  });

  it('starts at once when that time is past', () => {
    const { pool, alice } = setUp();
    const worker = new WorkerPeer(pool);
    alice.submit({ notBefore: pool.wallMs });
    expect(worker.dispatches()).toHaveLength(1);
  });
});

describe('an attempt that takes too long', () => {
  it('is ended some time after its worker should have done so, and tried again', () => {
    const { pool, alice } = setUp();
    const worker = new WorkerPeer(pool, { slots: 2 });
    const id = alice.submitWatched({ timeoutMs: 1_000, backoffMs: 0 });
    worker.dispatched();
    pool.advance(10_900);
    expect(worker.read().stops).toEqual([]);
    pool.advance(1_000);
    expect(worker.read()).toMatchObject({
      stops: [{ task: id, attempt: 1, reason: 'timeout' }],
      dispatches: [{ task: id, attempt: 2 }],
    });
    expect(worker.used).toBe(2);
  });

  it('fails the task when it was the last', () => {
    const { pool, alice } = setUp();
    const worker = new WorkerPeer(pool);
    alice.submitWatched({ timeoutMs: 1_000, maxAttempts: 1 });
    worker.dispatched();
    pool.advance(12_000);
    expect(alice.read().ended).toMatchObject([{ state: 'failed', error: { code: 'timeout' } }]);
  });

  it('is left to the grace of its worker while that is away', () => {
    const { pool, alice } = setUp();
    const worker = new WorkerPeer(pool);
    alice.submitWatched({ timeoutMs: 1_000 });
    const given = worker.dispatched();
    pool.advance(5_000);
    worker.disconnect();
    pool.advance(7_000);
    expect(worker.verdicts({ finished: [given] })).toMatchObject([{ verdict: 'resend' }]);
  });
});

describe('a worker that goes', () => {
  it('keeps its attempts through its grace, and loses them after it', () => {
    const { pool, alice } = setUp();
    const worker = new WorkerPeer(pool);
    const id = alice.submitWatched();
    worker.dispatched();
    const other = new WorkerPeer(pool);
    worker.disconnect();
    pool.advance(7_900);
    expect(other.dispatches()).toEqual([]);
    pool.advance(1_000);
    expect(other.dispatched()).toMatchObject({ task: id, attempt: 2 });
    expect(alice.read().changed).toMatchObject([
      { state: 'running', attempt: 1 },
      { state: 'queued', attempt: 1, error: { code: 'lost' } },
      { state: 'running', attempt: 2, worker: other.id },
    ]);
    const types = pool.memory.tables.events.map(({ type }) => type);
    expect(types).toEqual(expect.arrayContaining(['worker.offline', 'worker.lost', 'task.requeued']));
  });

  it('without attempts is given no grace and loses nothing', () => {
    const { pool } = setUp();
    const worker = new WorkerPeer(pool);
    worker.disconnect();
    pool.advance(60_000);
    expect(pool.memory.tables.events.map(({ type }) => type)).not.toContain('worker.lost');
  });

  it('and comes back within its grace starts a new one when it goes again', () => {
    const { pool, alice } = setUp();
    const worker = new WorkerPeer(pool);
    alice.submit();
    const given = worker.dispatched();
    for (let round = 0; round < 4; round++) {
      worker.disconnect();
      pool.advance(6_000);
      expect(worker.verdicts({ running: [given] })).toMatchObject([{ verdict: 'keep' }]);
    }
  });

  it('has the longer grace of the start when the coordinator itself was away', () => {
    const { pool, alice } = setUp();
    const worker = new WorkerPeer(pool);
    alice.submit();
    worker.dispatched();
    pool.restart();
    const other = new WorkerPeer(pool);
    pool.advance(44_000);
    expect(other.dispatches()).toEqual([]);
    pool.advance(2_000);
    expect(other.dispatched()).toMatchObject({ attempt: 2 });
  });
});
