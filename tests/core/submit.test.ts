/** Submits: accepted once they are on disk, or refused with a reason and a remedy. */
import { LIMITS } from '@rma/protocol/limits';
import { describe, expect, it } from 'vitest';
import { Pool } from './harness.js';
import { bytes, Client, type TaskFields, taskId, WorkerPeer } from './peer.js';

const DAY_MS = 86_400_000;

describe('a submit', () => {
  it('is accepted once its tasks are on disk', () => {
    const pool = new Pool();
    const alice = new Client(pool);
    const ids = alice.submit({ priority: 3 }, { kind: 'ocr.read' });
    expect(alice.read().accepted).toEqual(ids);
    expect([...pool.memory.tables.tasks.values()]).toMatchObject([
      { id: ids[0], owner: 'alice', kind: 'echo', priority: 3, state: 'queued' },
      { id: ids[1], owner: 'alice', kind: 'ocr.read', priority: 0, state: 'queued' },
    ]);
    expect(pool.memory.tables.owners.get('alice')).toBe(2);
    expect(pool.memory.tables.events.map(({ type }) => type)).toEqual(['task.submitted', 'task.submitted']);
  });

  it('stores nothing and answers nothing when the commit fails', () => {
    const pool = new Pool();
    const alice = new Client(pool);
    pool.memory.failNext = new Error('the disk is gone');
    expect(() => alice.submit()).toThrow('the disk is gone');
    expect(alice.read().accepted).toEqual([]);
    expect(pool.memory.tables.tasks.size).toBe(0);
  });

  it.each(['at once', 'in the same message', 'after a restart', 'once the task ended'])(
    'may be repeated, %s, and makes one task',
    (when) => {
      const pool = new Pool();
      const alice = new Client(pool);
      const fields = alice.spec({ constraints: { labels: { b: '1', a: '2' } }, priority: 2, timeoutMs: 5 });
      alice.submit(...(when === 'in the same message' ? [fields, fields] : [fields]));
      if (when === 'after a restart') {
        pool.restart();
        alice.connect();
      } else if (when === 'once the task ended') alice.cancel(fields.id);
      alice.read();
      alice.submit(fields);
      expect(alice.read()).toMatchObject({ accepted: [fields.id], refused: [] });
      expect(pool.memory.tables.tasks.size).toBe(1);
      expect(pool.memory.tables.events.filter(({ type }) => type === 'task.submitted')).toHaveLength(1);
    },
  );

  it('that is repeated with a watch is sent the end at once', () => {
    const pool = new Pool();
    const alice = new Client(pool);
    const fields = alice.spec();
    alice.submit(fields);
    alice.cancel(fields.id);
    alice.submitWatched(fields);
    expect(alice.read().ended).toMatchObject([{ task: fields.id, state: 'cancelled' }]);
    expect(pool.state.watchers.size).toBe(0);
  });

  it.each<[string, TaskFields]>([
    ['kind', { kind: 'ocr.read' }],
    ['input', { input: bytes('other') }],
    ['length of input', { input: bytes('inpu') }],
    ['priority', { priority: 1 }],
    ['constraints', { constraints: { tier: 2 } }],
    ['timeout', { timeoutMs: 7 }],
  ])('with a known id and another %s is a conflict', (_what, other) => {
    const pool = new Pool();
    const alice = new Client(pool);
    const fields = alice.spec();
    alice.submit(fields);
    alice.read();
    alice.submit({ ...fields, ...other });
    const { accepted, refused } = alice.read();
    expect(accepted).toEqual([]);
    expect(refused).toMatchObject([{ task: fields.id, error: { kind: 'conflict' } }]);
  });

  it("with somebody else's id is a conflict", () => {
    const pool = new Pool();
    const alice = new Client(pool);
    const bob = new Client(pool, 'bob');
    const fields = alice.spec();
    alice.submit(fields);
    bob.submit(fields);
    expect(bob.read().refused).toMatchObject([{ error: { kind: 'conflict' } }]);
  });
});

function refusalOf(fields: TaskFields, pool = new Pool()) {
  const alice = new Client(pool);
  alice.read();
  alice.submit(fields);
  const { accepted, refused } = alice.read();
  expect(accepted).toEqual([]);
  expect(refused).toHaveLength(1);
  expect(pool.memory.tables.tasks.size).toBe(0);
  return refused[0]!.error;
}

describe('a task is refused', () => {
  it('when no worker ever offered its kind, with those that come closest', () => {
    const error = refusalOf({ kind: 'orc.read' });
    expect(error).toMatchObject({ kind: 'unknown_kind', path: '/kind' });
    expect(error.message).toMatch("no worker ever offered 'orc.read'; did you mean ocr.read?");
  });

  it('when its kind resembles nothing, with where to find the kinds', () => {
    expect(refusalOf({ kind: 'zzzzzzzzzzzzzzzzzzzz' }).message).toMatch('`rma workers` lists what workers offer');
  });

  it('when it asks for a worker that is not in the pool', () => {
    const error = refusalOf({ constraints: { worker: 'w-none' } });
    expect(error).toMatchObject({ kind: 'unservable', path: '/constraints/worker' });
  });

  it('when it asks for a worker that is revoked', () => {
    const pool = new Pool();
    const worker = new WorkerPeer(pool);
    new WorkerPeer(pool);
    new Client(pool, 'admin', 'admin').act({ do: 'worker.revoke', worker: worker.id });
    expect(refusalOf({ constraints: { worker: worker.id } }, pool).kind).toBe('unservable');
  });

  it('when its id is so old that its task may have been pruned', () => {
    const pool = new Pool();
    const error = refusalOf({ id: taskId(1, pool.wallMs - 6 * DAY_MS - 1) }, pool);
    expect(error).toMatchObject({ kind: 'invalid', path: '/id' });
    expect(error.message).toMatch('6 d');
  });

  it.each([
    ['a week', 7 * DAY_MS],
    ['two minutes', 120_000],
  ])('when its task was pruned after %s, however far ahead the clock of its id was', (_what, retentionMs) => {
    const pool = new Pool({ settings: { retentionMs } });
    const alice = new Client(pool);
    const worker = new WorkerPeer(pool);
    const ahead = Math.min(DAY_MS, retentionMs / 2);
    const task = alice.spec({ id: taskId(1, pool.wallMs + ahead) });
    alice.submit(task);
    worker.succeed(worker.dispatched());
    // At the first moment at which its row may be gone, and later.
    pool.wallMs += retentionMs + 1;
    pool.memory.prune({ endedBefore: pool.wallMs - retentionMs });
    expect(pool.memory.tables.tasks.size).toBe(0);
    for (let hours = 0; hours < 48; hours++) {
      alice.submit(task);
      expect(alice.read().refused).toMatchObject([{ error: { kind: 'invalid', path: '/id' } }]);
      pool.wallMs += 3_600_000;
    }
    expect(worker.dispatches()).toEqual([]);
  });

  it('when its id lies more than a day ahead', () => {
    const pool = new Pool();
    expect(refusalOf({ id: taskId(1, pool.wallMs + DAY_MS + 1) }, pool)).toMatchObject({
      kind: 'invalid',
      path: '/id',
    });
  });

  it('when its input is above the inline limit, which the error names', () => {
    const error = refusalOf({ input: new Uint8Array(LIMITS.maxInlineBytes + 1) });
    expect(error.kind).toBe('too_large');
    expect(error.message).toMatch('maxInlineBytes');
  });

  it('when it names a blob that was not uploaded', () => {
    expect(refusalOf({ blobs: ['ab'.repeat(32)] })).toMatchObject({ kind: 'not_found', path: '/blobs' });
  });

  it('when it names a blob of somebody else', () => {
    const pool = new Pool();
    const blob = 'ab'.repeat(32);
    pool.memory.addBlob({ owner: 'bob', blob, size: 1 });
    expect(refusalOf({ blobs: [blob] }, pool).kind).toBe('not_found');
  });

  it('when the disk is full, and taken again once it is not', () => {
    const pool = new Pool();
    pool.push({ type: 'storage', full: true });
    pool.settle();
    expect(refusalOf({}, pool).kind).toBe('storage_full');
    pool.push({ type: 'storage', full: false });
    pool.settle();
    const bob = new Client(pool, 'bob');
    expect(bob.submit()).toEqual(bob.read().accepted);
  });

  it('when the coordinator stops; one that it knows is still accepted', () => {
    const pool = new Pool();
    const alice = new Client(pool);
    const fields = alice.spec();
    alice.submit(fields);
    pool.push({ type: 'stopping' });
    pool.settle();
    alice.read();
    alice.submit(fields, {});
    const { accepted, refused } = alice.read();
    expect(accepted).toEqual([fields.id]);
    expect(refused).toMatchObject([{ error: { kind: 'unavailable' } }]);
  });

  it('when its owner has too many open ones, until one ended', () => {
    const pool = new Pool({ settings: { maxOpenPerOwner: 2 } });
    const alice = new Client(pool);
    const [first] = alice.submit({}, {}, {});
    const { accepted, refused } = alice.read();
    expect(accepted).toHaveLength(2);
    expect(refused).toMatchObject([{ error: { kind: 'queue_full' } }]);
    expect(refused[0]?.error.message).toMatch('maxOpenPerOwner');
    const bob = new Client(pool, 'bob');
    expect(bob.submit()).toEqual(bob.read().accepted);
    alice.cancel(first!);
    expect(alice.submit()).toEqual(alice.read().accepted);
  });

  it('when its owner uses too many constraints at once; another order of the same is the same', () => {
    const pool = new Pool({ settings: { maxLanesPerOwner: 1 } });
    const alice = new Client(pool);
    alice.submit({ constraints: { labels: { a: '1', b: '2' } } }, { constraints: { labels: { b: '2', a: '1' } } });
    expect(alice.read().accepted).toHaveLength(2);
    alice.submit({ constraints: { labels: { a: '1' } } });
    expect(alice.read().refused).toMatchObject([{ error: { kind: 'queue_full', path: '/constraints' } }]);
  });

  it('when its session watches too many already, and is not made', () => {
    const pool = new Pool({ settings: { maxWatchesPerSession: 1 } });
    const alice = new Client(pool);
    alice.submitWatched();
    const second = alice.submitWatched();
    expect(alice.read().refused).toMatchObject([{ task: second, error: { kind: 'rate_limited' } }]);
    expect(pool.memory.tables.tasks.size).toBe(1);
  });
});

describe('a kind', () => {
  it('is known as soon as a worker offered it, and stays known while that worker is away', () => {
    const pool = new Pool();
    const worker = new WorkerPeer(pool, { kinds: ['my.kind'] });
    worker.disconnect();
    pool.restart();
    const alice = new Client(pool);
    expect(alice.submit({ kind: 'my.kind' })).toEqual(alice.read().accepted);
  });

  it('is not known by a service that was never healthy', () => {
    const pool = new Pool();
    const worker = new WorkerPeer(pool, { kinds: ['echo'] });
    worker.serve(worker.service({ kinds: ['my.kind'], state: 'starting' }));
    expect(refusalOf({ kind: 'my.kind' }, pool).kind).toBe('unknown_kind');
  });

  it('is forgotten when the only worker that offered it is revoked', () => {
    const pool = new Pool();
    const worker = new WorkerPeer(pool, { kinds: ['my.kind'] });
    new Client(pool, 'admin', 'admin').act({ do: 'worker.revoke', worker: worker.id });
    expect(refusalOf({ kind: 'my.kind' }, pool).kind).toBe('unknown_kind');
  });

  it('that is built in stays known, whichever worker is revoked', () => {
    const pool = new Pool();
    const worker = new WorkerPeer(pool, { kinds: ['echo'] });
    new Client(pool, 'admin', 'admin').act({ do: 'worker.revoke', worker: worker.id });
    const alice = new Client(pool);
    expect(alice.submit({ kind: 'echo' })).toEqual(alice.read().accepted);
  });
});
