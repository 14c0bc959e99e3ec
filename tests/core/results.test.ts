/** Results: which count, which are void, and what becomes of a task whose attempt failed or was lost. */
import { LIMITS } from '@rma/protocol/limits';
import { MAX_LOST } from '@rma/protocol/task';
import { describe, expect, it } from 'vitest';
import { Pool } from './harness.js';
import { bytes, Client, text, WorkerPeer } from './peer.js';

function setUp(options: ConstructorParameters<typeof WorkerPeer>[1] = {}) {
  const pool = new Pool();
  const alice = new Client(pool);
  const worker = new WorkerPeer(pool, options);
  return { pool, alice, worker };
}

describe('a result', () => {
  it('ends the task, frees the slot, reaches the watcher and is acknowledged', () => {
    const { alice, worker } = setUp();
    const id = alice.submitWatched();
    const given = worker.dispatched();
    expect(worker.used).toBe(1);
    worker.succeed(given, 'done');
    expect(worker.used).toBe(0);
    expect(worker.read().acknowledgedResults).toEqual([{ task: id, attempt: 1 }]);
    const [end] = alice.read().ended;
    expect(end).toMatchObject({ task: id, state: 'succeeded', attempts: 1, worker: worker.id });
    expect(text(end?.output)).toBe('done');
  });

  it('that comes twice is acknowledged twice and counts once', () => {
    const { pool, alice, worker } = setUp();
    alice.submitWatched();
    const given = worker.dispatched();
    worker.succeed(given, 'first');
    alice.read();
    worker.succeed(given, 'second');
    expect(worker.read().acknowledgedResults).toHaveLength(2);
    expect(alice.read().ended).toEqual([]);
    expect(pool.memory.tables.ended.get('succeeded')).toBe(1);
    expect(text([...pool.memory.tables.tasks.values()][0]?.output ?? undefined)).toBe('first');
  });

  it('of somebody else changes nothing and is acknowledged as void', () => {
    const { pool, alice, worker } = setUp();
    const id = alice.submitWatched();
    const given = worker.dispatched();
    const stranger = new WorkerPeer(pool, { kinds: ['other'] });
    stranger.succeed(given, 'forged');
    expect(stranger.read().acknowledgedResults).toEqual([{ task: id, attempt: 1 }]);
    expect(alice.read().ended).toEqual([]);
    expect(worker.used).toBe(1);
  });

  it('of an earlier attempt is void once another attempt runs', () => {
    const { pool, alice, worker } = setUp();
    const other = new WorkerPeer(pool);
    alice.submitWatched();
    const [first, second] = worker.dispatches().length ? [worker, other] : [other, worker];
    first.disconnect();
    pool.advance(9_000);
    const retry = second.dispatched();
    expect(retry.attempt).toBe(2);
    first.connect();
    first.succeed({ task: retry.task, attempt: 1 }, 'late');
    expect(first.read().acknowledgedResults).toEqual([{ task: retry.task, attempt: 1 }]);
    expect(alice.read().ended).toEqual([]);
    second.succeed(retry, 'right');
    expect(text(alice.read().ended[0]?.output)).toBe('right');
  });

  it('of a given-up attempt counts while nobody took the task over', () => {
    const { pool, alice, worker } = setUp();
    alice.submitWatched();
    const given = worker.dispatched();
    worker.disconnect();
    pool.advance(9_000);
    // Back without a word of the attempt and without a service: its result was still on its way to disk.
    worker.connect({ services: [] });
    worker.succeed(given, 'late');
    expect(alice.read().ended).toMatchObject([{ state: 'succeeded', attempts: 1 }]);
    expect(pool.state.queued).toBe(0);
  });

  it('of a given-up attempt that failed leaves the task in its queue', () => {
    const { pool, alice, worker } = setUp();
    alice.submitWatched();
    const given = worker.dispatched();
    worker.disconnect();
    pool.advance(9_000);
    worker.connect({ services: [] });
    worker.fail(given);
    expect(alice.read().ended).toEqual([]);
    expect(pool.state.queued).toBe(1);
  });

  it.each([
    ['waits for its retry', 60_000],
    ['is queued again', 0],
  ])('of an attempt that failed already is void while the task %s', (_where, backoffMs) => {
    const { pool, alice, worker } = setUp();
    alice.submitWatched({ backoffMs });
    const given = worker.dispatched();
    worker.serve(worker.service({ slots: 0 }));
    worker.fail(given);
    worker.succeed(given, 'after all');
    expect(worker.read().acknowledgedResults).toHaveLength(2);
    expect(alice.read().ended).toEqual([]);
    expect(pool.state.queued + pool.state.scheduled).toBe(1);
  });

  it.each([
    ['without output or error', {}, 'output.missing'],
    ['above the inline limit', { output: new Uint8Array(LIMITS.maxInlineBytes + 1) }, 'output.too_large'],
  ])('%s fails the task with a reason', (_what, result, code) => {
    const { alice, worker } = setUp();
    alice.submitWatched();
    const { task, attempt } = worker.dispatched();
    worker.results({ task, attempt, ...result });
    expect(alice.read().ended).toMatchObject([{ state: 'failed', error: { code } }]);
    expect(worker.used).toBe(0);
  });

  it('that names a blob that is not there is void: another attempt may bring it, and the last one fails the task', () => {
    const { pool, alice, worker } = setUp();
    alice.submitWatched({ maxAttempts: 2, backoffMs: 1_000 });
    const result = { output: bytes('x'), blobs: ['ab'.repeat(32)] };
    const { task, attempt } = worker.dispatched();
    worker.results({ task, attempt, ...result });
    expect([alice.read().ended, worker.used]).toEqual([[], 0]);
    pool.advance(3_000);
    const again = worker.dispatched();
    expect(again.attempt).toBe(2);
    worker.results({ task, attempt: again.attempt, ...result });
    expect(alice.read().ended).toMatchObject([{ state: 'failed', error: { code: 'output.blob_missing' } }]);
  });

  it('with blobs refers to them', () => {
    const { pool, alice, worker } = setUp();
    const blob = 'cd'.repeat(32);
    alice.submitWatched();
    const { task, attempt } = worker.dispatched();
    pool.memory.addBlob({ owner: 'alice', blob, size: 3 });
    worker.results({ task, attempt, output: bytes('x'), blobs: [blob] });
    expect(alice.read().ended).toMatchObject([{ state: 'succeeded', blobs: [blob] }]);
  });
});

describe('a failed attempt', () => {
  it('waits longer each time, then the task failed with the last error', () => {
    const { pool, alice, worker } = setUp();
    alice.submitWatched({ maxAttempts: 3, backoffMs: 1_000 });
    worker.fail(worker.dispatched(), 'broken');
    pool.advance(800);
    expect(worker.dispatches()).toEqual([]);
    pool.advance(200);
    worker.fail(worker.dispatched(), 'broken');
    pool.advance(1_000);
    expect(worker.dispatches()).toEqual([]);
    pool.advance(1_000);
    worker.fail(worker.dispatched(), 'beyond repair');
    expect(alice.read().ended).toMatchObject([{ state: 'failed', attempts: 3, error: { code: 'beyond repair' } }]);
  });

  it('that cannot be retried fails the task at once', () => {
    const { alice, worker } = setUp();
    alice.submitWatched();
    worker.fail(worker.dispatched(), 'input.damaged', false);
    expect(alice.read().ended).toMatchObject([{ state: 'failed', attempts: 1, error: { code: 'input.damaged' } }]);
  });

  it('is tried again at once without a backoff', () => {
    const { alice, worker } = setUp();
    alice.submitWatched({ backoffMs: 0 });
    worker.fail(worker.dispatched());
    expect(worker.dispatched()).toMatchObject({ attempt: 2 });
  });

  it('sends the watchers the reason, and is kept in the history', () => {
    const { pool, alice, worker } = setUp();
    const id = alice.submitWatched();
    worker.fail(worker.dispatched(), 'broken');
    expect(alice.read().changed.at(-1)).toMatchObject({ task: id, state: 'scheduled', error: { code: 'broken' } });
    expect([...pool.memory.tables.attempts.values()]).toMatchObject([{ attempt: 1, worker: worker.id }]);
  });
});

describe('workers of which one fails with everything', () => {
  function setUpFive() {
    const pool = new Pool();
    return { pool, alice: new Client(pool), workers: Array.from({ length: 5 }, () => new WorkerPeer(pool)) };
  }

  /** Each of the others takes a second for a task; the first one fails at once. Answers how often it did. */
  function run({ pool, alice, workers }: ReturnType<typeof setUpFive>, tasks: number): number {
    const [bad, ...others] = workers;
    alice.submit(...Array.from({ length: tasks }, () => ({})));
    let failures = 0;
    for (let round = 0; pool.state.openPerOwner.size > 0; round++) {
      expect(round).toBeLessThan(10 * tasks);
      for (const worker of others) for (const given of worker.dispatches()) worker.succeed(given);
      for (let given = bad!.dispatches(); given.length > 0; given = bad!.dispatches()) {
        failures += given.length;
        for (const one of given) bad!.fail(one);
      }
      pool.advance(1_000);
    }
    return failures;
  }

  it('end no task as failed, and the bad one gets few once others succeeded where it failed', () => {
    const five = setUpFive();
    expect(run(five, 200)).toBeLessThanOrEqual(200);
    expect(run(five, 200)).toBeLessThan(20);
    expect(Object.fromEntries(five.pool.memory.tables.ended)).toEqual({ succeeded: 400 });
  });

  it('give it tasks again after its rest', () => {
    const five = setUpFive();
    run(five, 50);
    const { live } = five.workers[0]!;
    expect(live.restUntilMs).toBeGreaterThan(0);
    five.pool.advance(61_000);
    expect(live.restUntilMs).toBe(0);
  });
});

describe('a failed attempt, next time,', () => {
  it('goes to another worker, though that one is busy and this one is idle', () => {
    const { pool, alice, worker } = setUp();
    const id = alice.submitWatched({ backoffMs: 0 });
    const given = worker.dispatched();
    const other = new WorkerPeer(pool);
    alice.submit();
    const blocking = other.dispatched();
    worker.fail(given);
    expect(worker.dispatches()).toEqual([]);
    other.succeed(blocking);
    expect(other.dispatched()).toMatchObject({ task: id, attempt: 2 });
  });

  it('goes to the same worker where the others left', () => {
    const { pool, alice, worker } = setUp();
    alice.submitWatched({ backoffMs: 0 });
    const given = worker.dispatched();
    const other = new WorkerPeer(pool);
    alice.submit();
    other.dispatched();
    worker.fail(given);
    other.disconnect();
    pool.advance(2_000);
    expect(worker.dispatches()).toMatchObject([{ attempt: 2 }]);
  });
});

describe('a lost attempt', () => {
  it(`makes poison of the task after ${MAX_LOST} workers`, () => {
    const { alice, worker } = setUp();
    alice.submitWatched({ maxAttempts: 1 });
    for (let attempt = 1; attempt <= MAX_LOST; attempt++) {
      expect(worker.dispatched().attempt).toBe(attempt);
      worker.disconnect();
      worker.connect({ restarted: true });
    }
    expect(worker.dispatches()).toEqual([]);
    expect(alice.read().ended).toMatchObject([{ state: 'failed', attempts: MAX_LOST, error: { code: 'poison' } }]);
  });

  it.each([
    ['hands back', 'cancelled'],
    ['was dispatched before it drained, and refuses,', 'refused'],
  ])('that a draining worker %s does not count', (_what, code) => {
    const { pool, alice, worker } = setUp();
    alice.submitWatched();
    for (let round = 1; round <= MAX_LOST + 2; round++) {
      const given = worker.dispatched();
      worker.drain(true);
      worker.fail(given, code);
      expect(pool.state.queued).toBe(1);
      worker.drain(false);
    }
    expect(alice.read().ended).toEqual([]);
    expect([...pool.state.running][0]?.lost).toBe(0);
  });

  it('that its worker refused goes to another one at once, and counts', () => {
    const { pool, alice, worker } = setUp();
    alice.submitWatched({ maxAttempts: 1 });
    const given = worker.dispatched();
    const other = new WorkerPeer(pool);
    worker.serve();
    worker.fail(given, 'refused');
    expect(other.dispatched()).toMatchObject({ attempt: 2 });
    expect([...pool.state.running][0]?.lost).toBe(1);
  });

  it('that is refused again and again waits longer and longer', () => {
    const { pool, alice, worker } = setUp();
    alice.submitWatched();
    worker.fail(worker.dispatched(), 'refused');
    worker.fail(worker.dispatched(), 'refused');
    expect(pool.state.scheduled).toBe(1);
    pool.advance(1_000);
    expect(worker.dispatched()).toMatchObject({ attempt: 3 });
  });
});
