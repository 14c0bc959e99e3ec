/** Submitting an ended task again: a new task of the same owner with the same content; the old one stays as it is. */
import { expect, it } from 'vitest';
import { Pool } from './harness.js';
import { bytes, Client, taskId, WorkerPeer } from './peer.js';

const BLOB = 'a'.repeat(64);

function setUp() {
  const pool = new Pool();
  const alice = new Client(pool);
  const admin = new Client(pool, 'root', 'admin');
  const worker = new WorkerPeer(pool);
  return { pool, alice, admin, worker };
}

/** @returns the id that the new task gets, and the answer */
function retry(pool: Pool, by: Client, task: string) {
  const newTask = taskId(pool.nextId(), pool.wallMs);
  by.read();
  pool.push({
    type: 'message',
    session: by.session,
    message: { type: 'act', ref: 7, action: { do: 'task.retry', task } },
    newTask,
  });
  pool.settle();
  return { newTask, answer: by.read() };
}

it('makes a new task with everything of the old one but the time before which it was not to start', () => {
  const { pool, alice, admin, worker } = setUp();
  pool.memory.addBlob({ owner: 'alice', blob: BLOB, size: 1 });
  const options = { timeoutMs: 5_000, maxAttempts: 1, backoffMs: 7, ttlMs: 60_000, constraints: { tier: 3 as const } };
  const [id = ''] = alice.submit({
    input: bytes('the input'),
    blobs: [BLOB],
    priority: 4,
    notBefore: pool.wallMs + 50,
    ...options,
  });
  pool.advance(200);
  worker.fail(worker.dispatched());
  const { newTask, answer } = retry(pool, admin, id);
  expect(answer.replies).toEqual([{ ref: 7, result: { task: newTask } }]);
  const [old, made] = pool.store.fetch([id, newTask]).sort((a, b) => a.seq - b.seq);
  expect(made).toMatchObject({ id: newTask, owner: 'alice', kind: 'echo', priority: 4, blobs: [BLOB], options });
  expect(made?.options).not.toHaveProperty('notBefore');
  expect(made?.input).toEqual(bytes('the input'));
  expect(old).toMatchObject({ id, state: 'failed', attempt: 1 });
  expect(worker.dispatched()).toMatchObject({ task: newTask, attempt: 1, blobs: [BLOB] });
  expect(pool.memory.tables.events.find(({ type }) => type === 'task.retried')).toMatchObject({
    subject: id,
    owner: 'alice',
    data: { as: newTask, owner: 'alice', by: 'root' },
  });
});

it('needs a task that has ended', () => {
  const { pool, alice, admin, worker } = setUp();
  const [id = ''] = alice.submit();
  worker.dispatched();
  expect(retry(pool, admin, id).answer.errors).toMatchObject([{ ref: 7, about: 'act', error: { kind: 'conflict' } }]);
  const unknown = taskId(999);
  expect(retry(pool, admin, unknown).answer.errors).toMatchObject([
    { ref: 7, about: 'act', error: { kind: 'not_found', message: `there is no task ${unknown}` } },
  ]);
});

it('is refused like any submit', () => {
  const { pool, alice, admin, worker } = setUp();
  const [id = ''] = alice.submit();
  worker.succeed(worker.dispatched());
  pool.state.storageFull = true;
  expect(retry(pool, admin, id).answer.errors).toMatchObject([
    { ref: 7, about: 'act', error: { kind: 'storage_full' } },
  ]);
  expect(worker.dispatches()).toEqual([]);
});
