/** A worker reconnects: the verdict on each attempt that it reports, and what becomes of those that it does not. */
import { describe, expect, it } from 'vitest';
import { Pool } from './harness.js';
import { Client, taskId, text, WorkerPeer } from './peer.js';

function setUp() {
  const pool = new Pool();
  const alice = new Client(pool);
  const worker = new WorkerPeer(pool);
  const id = alice.submitWatched();
  const given = worker.dispatched();
  alice.read();
  return { pool, alice, worker, id, given };
}

describe('a reconnecting worker', () => {
  it('keeps an attempt that runs, from the last stored chunk', () => {
    const { worker, given } = setUp();
    worker.chunk(given, 1);
    worker.chunk(given, 2);
    worker.disconnect();
    expect(worker.verdicts({ running: [given] })).toEqual([
      { task: given.task, attempt: 1, verdict: 'keep', chunk: 2 },
    ]);
    expect(worker.used).toBe(1);
    expect(worker.dispatches()).toEqual([]);
  });

  it('is asked for a result that was not acknowledged', () => {
    const { alice, worker, given } = setUp();
    worker.disconnect();
    expect(worker.verdicts({ finished: [given] })).toMatchObject([{ attempt: 1, verdict: 'resend' }]);
    worker.succeed(given, 'kept in the outbox');
    expect(text(alice.read().ended[0]?.output)).toBe('kept in the outbox');
  });

  it('drops the result of a task that ended meanwhile', () => {
    const { alice, worker, given, id } = setUp();
    worker.disconnect();
    alice.cancel(id);
    expect(worker.verdicts({ finished: [given] })).toMatchObject([{ attempt: 1, verdict: 'drop' }]);
  });

  it('stops an attempt whose task was cancelled meanwhile', () => {
    const { alice, worker, given, id } = setUp();
    worker.disconnect();
    alice.cancel(id);
    expect(worker.verdicts({ running: [given] })).toMatchObject([{ attempt: 1, verdict: 'stop' }]);
  });

  it('stops an attempt that somebody else took over', () => {
    const { pool, worker, given } = setUp();
    worker.disconnect();
    pool.advance(9_000);
    const other = new WorkerPeer(pool);
    expect(other.dispatched().attempt).toBe(2);
    expect(worker.verdicts({ running: [given] })).toMatchObject([{ attempt: 1, verdict: 'stop' }]);
  });

  it('stops attempts of tasks that nobody knows', () => {
    const { worker, given } = setUp();
    worker.disconnect();
    const unknown = { task: taskId(99_999), attempt: 1 };
    expect(worker.verdicts({ running: [given, unknown] })).toMatchObject([{ verdict: 'keep' }, { verdict: 'stop' }]);
  });

  it('gets no task in the slot of an attempt with the verdict stop before it confirms that', () => {
    const { alice, worker, given, id } = setUp();
    worker.disconnect();
    alice.cancel(id);
    alice.submit();
    expect(worker.verdicts({ running: [given] })).toMatchObject([{ verdict: 'stop' }]);
    expect(worker.dispatches()).toEqual([]);
    expect(worker.used).toBe(1);
    worker.fail(given, 'cancelled', false);
    expect(worker.dispatches()).toHaveLength(1);
    expect(worker.used).toBe(1);
  });

  it('that never confirms a verdict of stop gets a task after the stop timeout', () => {
    const { pool, alice, worker, given, id } = setUp();
    worker.disconnect();
    alice.cancel(id);
    alice.submit();
    worker.connect({ running: [given] });
    pool.advance(59_000);
    expect(worker.dispatches()).toEqual([]);
    pool.advance(2_000);
    expect(worker.dispatches()).toHaveLength(1);
    expect(worker.live.attempts.size).toBe(1);
  });

  it('keeps the slot of a stopped attempt over its own absence and over a restart of the coordinator', () => {
    const { pool, alice, worker, given, id } = setUp();
    alice.cancel(id);
    worker.disconnect();
    pool.restart();
    alice.connect();
    alice.submit();
    worker.connect({ running: [given] });
    expect(worker.used).toBe(1);
    expect(worker.dispatches()).toEqual([]);
    worker.disconnect();
    // It is over: this agent names all that runs.
    worker.connect();
    expect(worker.dispatches()).toHaveLength(1);
  });

  it.each([
    ['failed', 'broken'],
    ['was handed back', 'refused'],
  ])('drops the result of an attempt that %s, when its acknowledgement was lost', (_how, code) => {
    const { pool, alice, worker, given } = setUp();
    worker.serve(worker.service({ slots: 0 }));
    worker.fail(given, code);
    const [row] = pool.store.fetch([given.task]);
    worker.disconnect();
    const services = [worker.service({ slots: 0 })];
    expect(worker.verdicts({ finished: [given], services })).toMatchObject([{ attempt: 1, verdict: 'drop' }]);
    expect(pool.store.fetch([given.task])[0]).toMatchObject({ failures: row?.failures, lost: row?.lost });
    expect(alice.read().ended).toEqual([]);
  });

  it('stops an attempt that took too long, while it was absent', () => {
    const { pool, worker, given } = setUp();
    pool.advance(611_000);
    expect(worker.read().stops).toMatchObject([{ task: given.task, attempt: 1 }]);
    worker.disconnect();
    expect(worker.verdicts({ running: [given], services: [] })).toMatchObject([{ verdict: 'stop' }]);
  });

  it('goes on with an attempt that was given up and that nobody took over', () => {
    const { pool, alice, worker, given, id } = setUp();
    worker.disconnect();
    pool.advance(9_000);
    expect(alice.read().changed.at(-1)).toMatchObject({ task: id, state: 'queued' });
    expect(worker.verdicts({ running: [given] })).toMatchObject([{ attempt: 1, verdict: 'keep' }]);
    expect(alice.read().changed.at(-1)).toMatchObject({ task: id, state: 'running', worker: worker.id });
    expect(worker.dispatches()).toEqual([]);
    expect(worker.used).toBe(1);
    worker.succeed(given);
    expect(alice.read().ended).toMatchObject([{ state: 'succeeded', attempts: 1 }]);
  });

  it('is not given a task again whose result it holds, though the attempt was given up', () => {
    const { pool, alice, worker, given } = setUp();
    worker.disconnect();
    pool.advance(9_000);
    expect(worker.verdicts({ finished: [given] })).toMatchObject([{ attempt: 1, verdict: 'resend' }]);
    expect(worker.dispatches()).toEqual([]);
    worker.succeed(given, 'kept');
    expect(alice.read().ended).toMatchObject([{ state: 'succeeded', attempts: 1 }]);
  });

  it('goes on from the stored chunks with a given-up attempt, after a restart of the coordinator, too', () => {
    const { pool, worker, given } = setUp();
    worker.chunk(given, 1);
    worker.disconnect();
    pool.advance(9_000);
    pool.restart();
    expect(worker.verdicts({ running: [given] })).toMatchObject([{ verdict: 'keep', chunk: 1 }]);
    worker.chunk(given, 2);
    worker.chunk(given, 1);
    expect(worker.read().acknowledgedChunks.at(-1)).toMatchObject({ chunk: 2 });
  });

  it('that never got an attempt is given it anew, and no loss is counted', () => {
    const { pool, worker } = setUp();
    worker.disconnect();
    worker.connect();
    expect(worker.dispatched()).toMatchObject({ attempt: 2 });
    expect([...pool.state.running][0]?.lost).toBe(0);
  });

  it('that restarted lost its attempts, and the loss counts', () => {
    const { pool, worker } = setUp();
    worker.disconnect();
    worker.connect({ restarted: true });
    expect(worker.dispatched()).toMatchObject({ attempt: 2 });
    expect([...pool.state.running][0]?.lost).toBe(1);
  });

  it('replaces its older connection, whose words no longer count', () => {
    const { pool, alice, worker, given } = setUp();
    const old = worker.session;
    worker.connect({ running: [given] });
    expect(pool.read(old).close).toMatchObject({ name: 'replaced' });
    const { task, attempt } = given;
    const message = { type: 'results', results: [{ task, attempt, output: new Uint8Array() }] } as const;
    pool.push({ type: 'message', session: old, message: { ...message, results: [...message.results] } });
    pool.push({ type: 'closed', session: old, reason: 'replaced' });
    pool.settle();
    expect(alice.read().ended).toEqual([]);
    expect(worker.live.session).toBe(worker.session);
    worker.succeed(given);
    expect(alice.read().ended).toHaveLength(1);
  });
});

describe('after a restart of the coordinator', () => {
  it('a worker keeps what it runs and resends what it finished', () => {
    const pool = new Pool();
    const alice = new Client(pool);
    const worker = new WorkerPeer(pool, { slots: 2 });
    alice.submit({}, {});
    const [first, second] = worker.dispatches();
    pool.restart();
    const verdicts = worker.verdicts({ running: [first!], finished: [second!] });
    expect(verdicts).toMatchObject([{ verdict: 'keep' }, { verdict: 'resend' }]);
    worker.succeed(second!);
    worker.succeed(first!);
    expect(pool.memory.tables.ended.get('succeeded')).toBe(2);
  });

  it.each([
    ['says in which service each runs', true],
    ['does not say it, as older agents', false],
  ])('an attempt takes a slot of the service that it runs in: the worker %s', (_how, says) => {
    const pool = new Pool();
    const alice = new Client(pool);
    const worker = new WorkerPeer(pool);
    const services = ['one', 'two'].map((name) => worker.service({ name, slots: 2 }));
    worker.serve(...services);
    alice.submit({}, {}, {});
    const given = worker.dispatches();
    const used = () => [...worker.live.services.values()].map((live) => live.used);
    expect(used()).toEqual([2, 1]);
    worker.succeed(given[0]!);
    expect(used()).toEqual([1, 1]);
    pool.restart();
    const running = [given[1]!, given[2]!].map(({ task, attempt }, i) => ({
      task,
      attempt,
      ...(says ? { service: i === 0 ? 'two' : 'one' } : {}),
    }));
    worker.connect({ running, services });
    expect(used()).toEqual([1, 1]);
    worker.succeed(given[1]!);
    expect(used()).toEqual(says ? [1, 0] : [0, 1]);
  });

  it('a dispatch that was committed and never sent is made again', () => {
    const pool = new Pool();
    const alice = new Client(pool);
    const worker = new WorkerPeer(pool);
    pool.push({ type: 'message', session: alice.session, message: { type: 'submit', tasks: [alice.spec()] } });
    pool.turn('after commit');
    expect(pool.state.running.size).toBe(1);
    worker.connect();
    expect(worker.dispatched()).toMatchObject({ attempt: 2 });
  });

  it('a submit that was not committed is as if it never was', () => {
    const pool = new Pool();
    const alice = new Client(pool);
    const task = alice.spec();
    pool.push({ type: 'message', session: alice.session, message: { type: 'submit', tasks: [task] } });
    pool.turn('before commit');
    expect(alice.read().accepted).toEqual([]);
    expect(pool.memory.tables.tasks.size).toBe(0);
    alice.connect();
    alice.submit(task);
    expect(alice.read().accepted).toEqual([task.id]);
  });
});
