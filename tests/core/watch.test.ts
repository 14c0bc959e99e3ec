/** Watching: what is, then what was missed, then everything live; and the end exactly once. */
import { describe, expect, it } from 'vitest';
import { Pool } from './harness.js';
import { Client, taskId, text, WorkerPeer } from './peer.js';

function setUp() {
  const pool = new Pool();
  const alice = new Client(pool);
  const worker = new WorkerPeer(pool);
  const [id] = alice.submit();
  const given = worker.dispatched();
  return { pool, alice, worker, id: id!, given };
}

describe('a watch', () => {
  it('sends the present state at once', () => {
    const { alice, worker, id } = setUp();
    expect(alice.watch(id).changed).toEqual([{ task: id, state: 'running', attempt: 1, worker: worker.id }]);
  });

  it('sends the end at once where the task ended, and ends with it', () => {
    const { pool, alice, worker, id, given } = setUp();
    worker.succeed(given, 'done');
    const { ended, changed } = alice.watch(id);
    expect(ended).toMatchObject([{ task: id, state: 'succeeded' }]);
    expect(changed).toEqual([]);
    expect(pool.state.watchers.size).toBe(0);
  });

  it('sends the end once, to each session that watches, and to no other', () => {
    const { pool, alice, worker, id, given } = setUp();
    const admin = new Client(pool, 'admin', 'admin');
    const second = new Client(pool, 'alice');
    const idle = new Client(pool, 'alice');
    for (const peer of [alice, admin, second]) peer.watch(id);
    alice.watch(id);
    worker.succeed(given);
    for (const peer of [alice, admin, second]) expect(peer.read().ended).toHaveLength(1);
    expect(idle.read().ended).toEqual([]);
    expect(pool.state.watchers.size).toBe(0);
    worker.succeed(given);
    pool.advance(5_000);
    expect(alice.read().ended).toEqual([]);
  });

  it('begun in the turn of the end sends it once', () => {
    const { pool, alice, worker, id, given } = setUp();
    const results = [{ task: given.task, attempt: 1, output: new Uint8Array() }];
    const watch = {
      type: 'message',
      session: alice.session,
      message: { type: 'watch', tasks: [{ task: id }] },
    } as const;
    alice.read();
    pool.push({ ...watch, message: { type: 'watch', tasks: [{ task: id }] } });
    pool.push({ type: 'message', session: worker.session, message: { type: 'results', results } });
    pool.settle();
    expect(alice.read().ended).toHaveLength(1);
  });

  it('of an unknown task, or of somebody else’s, answers not_found', () => {
    const { pool, alice, id } = setUp();
    const unknown = taskId(99_999);
    expect(alice.watch(unknown).refused).toMatchObject([{ task: unknown, error: { kind: 'not_found' } }]);
    const bob = new Client(pool, 'bob');
    expect(bob.watch(id).refused).toMatchObject([{ task: id, error: { kind: 'not_found' } }]);
  });

  it('is refused above the limit, which the error names', () => {
    const pool = new Pool({ settings: { maxWatchesPerSession: 1 } });
    const alice = new Client(pool);
    alice.submitWatched();
    const [second] = alice.submit();
    const { refused } = alice.watch(second!);
    expect(refused).toMatchObject([{ error: { kind: 'rate_limited' } }]);
    expect(refused[0]?.error.message).toMatch('maxWatchesPerSession');
  });

  it('ends with its session', () => {
    const { pool, alice, worker, id, given } = setUp();
    alice.watch(id);
    alice.disconnect();
    expect(pool.state.watchers.size).toBe(0);
    worker.succeed(given);
    expect(alice.read().ended).toEqual([]);
  });

  it('ends when it is taken back', () => {
    const { pool, alice, worker, id, given } = setUp();
    alice.watch(id);
    alice.send({ type: 'unwatch', tasks: [id, taskId(99_999)] });
    expect(pool.state.watchers.size).toBe(0);
    worker.succeed(given);
    expect(alice.read().ended).toEqual([]);
  });

  it('reaches a task that lies only in the store', () => {
    const pool = new Pool({ settings: { windowTasks: 1 } });
    const alice = new Client(pool);
    const ids = alice.submit({}, {}, {});
    expect(alice.watch(ids[2]!).changed).toMatchObject([{ task: ids[2], state: 'queued', attempt: 0 }]);
    alice.cancel(ids[2]!);
    expect(alice.watch(ids[2]!).ended).toMatchObject([{ state: 'cancelled' }]);
  });
});

describe('a late watcher', () => {
  it('gets the chunks it missed, then the live ones, each once and in order', () => {
    const { alice, worker, id, given } = setUp();
    for (let n = 1; n <= 3; n++) worker.chunk(given, n);
    const first = alice.watch(id);
    worker.chunk(given, 4);
    const all = [...first.chunks, ...alice.read().chunks];
    expect(all.map(({ chunk, data }) => [chunk, text(data)])).toEqual([
      [1, 'part 1'],
      [2, 'part 2'],
      [3, 'part 3'],
      [4, 'part 4'],
    ]);
  });

  it('that begins in the turn of a chunk gets it once', () => {
    const { pool, alice, worker, id, given } = setUp();
    const chunk = (n: number) => ({ task: id, attempt: given.attempt, chunk: n, data: new Uint8Array([n]) });
    const report = (n: number) =>
      pool.push({ type: 'message', session: worker.session, message: { type: 'chunks', chunks: [chunk(n)] } });
    alice.read();
    report(1);
    pool.push({ type: 'message', session: alice.session, message: { type: 'watch', tasks: [{ task: id }] } });
    report(2);
    pool.settle();
    expect(alice.read().chunks.map((one) => one.chunk)).toEqual([1, 2]);
  });

  it('goes on behind the last chunk it saw', () => {
    const { alice, worker, id, given } = setUp();
    for (let n = 1; n <= 3; n++) worker.chunk(given, n);
    expect(alice.watch(id, { attempt: 1, chunk: 2 }).chunks).toMatchObject([{ chunk: 3 }]);
  });

  it('gets all chunks of a later attempt than it saw, and none of the earlier one', () => {
    const { pool, alice, worker, id, given } = setUp();
    worker.chunk(given, 1, 'void');
    worker.disconnect();
    worker.connect({ restarted: true });
    const again = worker.dispatched();
    worker.chunk(again, 1, 'anew');
    const { chunks } = alice.watch(id, { attempt: 1, chunk: 1 });
    expect(chunks.map(({ attempt, data }) => [attempt, text(data)])).toEqual([[2, 'anew']]);
    expect(pool.memory.tables.chunks.size).toBe(1);
  });

  it('gets the chunks of an ended task before its end, after a restart, too', () => {
    const { pool, alice, worker, id, given } = setUp();
    worker.chunk(given, 1);
    worker.succeed(given);
    pool.restart();
    alice.connect();
    const { chunks, ended } = alice.watch(id);
    expect(chunks).toMatchObject([{ attempt: 1, chunk: 1 }]);
    expect(ended).toHaveLength(1);
  });
});

it('progress reaches the watchers and nobody else, and is not stored', () => {
  const { pool, alice, worker, id, given } = setUp();
  alice.watch(id);
  const events = pool.memory.tables.events.length;
  worker.send({ type: 'progress', task: id, attempt: given.attempt, fraction: 0.5, note: 'half' });
  worker.send({ type: 'progress', task: id, attempt: 7, fraction: 0.9 });
  expect(alice.read().changed).toMatchObject([{ task: id, state: 'running', fraction: 0.5, note: 'half' }]);
  expect(pool.memory.tables.events).toHaveLength(events);
});
