/** What time brings: waits that end, tasks that expire, attempts that take too long, workers that stay away. */
import { MAX_LOST } from '@rma/protocol/task';
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
    pool.advance(2_000);
    expect(worker.read().stops).toEqual([]);
    worker.succeed(given);
    expect(alice.read().ended).toMatchObject([{ state: 'succeeded' }]);
  });

  it('is ended though its worker comes back with it again and again and never delivers', () => {
    const { pool, alice } = setUp();
    const worker = new WorkerPeer(pool);
    alice.submitWatched({ timeoutMs: 1_000, maxAttempts: 1 });
    const given = worker.dispatched();
    let returns = 0;
    while (alice.read().ended.length === 0) {
      worker.disconnect();
      pool.advance(7_000);
      worker.connect({ finished: [given] });
      pool.advance(300_000);
      expect(++returns).toBeLessThan(30);
    }
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

  it('and keeps its attempts through more outages than MAX_LOST, each longer than its grace, loses none of them', () => {
    const { pool, alice } = setUp();
    const worker = new WorkerPeer(pool);
    alice.submitWatched({ timeoutMs: 3_600_000 });
    const given = worker.dispatched();
    for (let outage = 0; outage <= MAX_LOST; outage++) {
      worker.disconnect();
      pool.advance(9_000);
      expect(pool.state.queued).toBe(1);
      if (outage === 2) pool.restart();
      expect(worker.verdicts({ running: [given] })).toMatchObject([{ attempt: 1, verdict: 'keep' }]);
    }
    expect([...pool.state.running][0]?.lost).toBe(0);
    worker.succeed(given);
    expect(pool.memory.tables.ended.get('succeeded')).toBe(1);
  });

  it('loses an attempt when the next one starts, and the fifth loss ends the task instead', () => {
    const { pool, alice } = setUp();
    alice.submitWatched();
    for (let loss = 1; loss <= MAX_LOST; loss++) {
      const worker = new WorkerPeer(pool);
      expect(worker.dispatched().attempt).toBe(loss);
      expect([...pool.state.running][0]?.lost).toBe(loss - 1);
      worker.disconnect();
      pool.advance(9_000);
      // The loss is known after a restart, too.
      if (loss % 2 === 0) pool.restart();
    }
    const last = new WorkerPeer(pool);
    expect(last.dispatches()).toEqual([]);
    expect(last.used).toBe(0);
    const [row] = pool.memory.tables.tasks.values();
    expect(row).toMatchObject({ state: 'failed', lost: MAX_LOST, error: { code: 'poison' } });
    for (const { attempts } of pool.state.workers.values()) expect(attempts.size).toBe(0);
  });

  it('and restarts before its task is dispatched again has lost it all the same', () => {
    const { pool, alice } = setUp();
    const worker = new WorkerPeer(pool);
    alice.submit();
    worker.dispatched();
    worker.disconnect();
    pool.advance(9_000);
    worker.connect({ restarted: true });
    expect(worker.dispatched().attempt).toBe(2);
    expect([...pool.state.running][0]?.lost).toBe(1);
  });

  it('while this process stood still has the grace of a start, since it may be far in its backoff', () => {
    const { pool, alice } = setUp();
    const worker = new WorkerPeer(pool);
    alice.submit();
    const given = worker.dispatched();
    pool.push({ type: 'stalled' });
    pool.settle();
    worker.disconnect();
    pool.advance(40_000);
    expect(worker.verdicts({ running: [given] })).toMatchObject([{ verdict: 'keep' }]);
    worker.disconnect();
    pool.advance(9_000);
    expect(pool.state.queued).toBe(1);
  });

  it('before this process stood still has the grace of a start from then on', () => {
    const { pool, alice } = setUp();
    const worker = new WorkerPeer(pool);
    alice.submit();
    worker.dispatched();
    worker.disconnect();
    pool.advance(7_000);
    pool.push({ type: 'stalled' });
    pool.advance(40_000);
    expect(pool.state.running.size).toBe(1);
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
