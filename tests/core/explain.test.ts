/** Why a task waits: the sentence that its owner reads. */
import { explainWaiting } from '@rma/server/core/explain';
import { expect, it } from 'vitest';
import { Pool } from './harness.js';
import { Client, machine, type TaskFields, WorkerPeer } from './peer.js';

function why(pool: Pool, id: string): string {
  const [task] = pool.store.fetch([id]);
  if (!task || (task.state !== 'queued' && task.state !== 'scheduled')) throw new Error(`the task is ${task?.state}`);
  return explainWaiting(pool.state, { ...task, state: task.state }, pool.wallMs);
}

function waits(
  prepare: (pool: Pool, alice: Client) => void,
  fields: TaskFields | ((pool: Pool) => TaskFields) = {},
): string {
  const pool = new Pool();
  const alice = new Client(pool);
  prepare(pool, alice);
  const [id] = alice.submit(typeof fields === 'function' ? fields(pool) : fields);
  return why(pool, id!);
}

/** Prepares nothing. */
const nobody = (): undefined => undefined;

it.each<[string, string, (pool: Pool, alice: Client) => void, TaskFields | ((pool: Pool) => TaskFields)]>([
  ['nobody is there', 'none of 0 workers online serves echo: waits for a worker that does', nobody, {}],
  [
    'no worker online serves it',
    'none of 1 worker online serves ocr.read: waits for a worker that does',
    (pool) => new WorkerPeer(pool),
    { kind: 'ocr.read' },
  ],
  [
    'the one that served it is away',
    'none of 0 workers online serves my.kind; lab-1 (w-test7) did, and is offline since 2026-02-01 12:00 UTC',
    (pool) => new WorkerPeer(pool, { kinds: ['my.kind'], name: 'lab-1' }).disconnect(),
    { kind: 'my.kind' },
  ],
  [
    'the service that serves it is ill',
    'none of 1 worker online serves my.kind; lab-1 (w-test7) did before: waits until its service is healthy',
    (pool) => {
      const worker = new WorkerPeer(pool, { kinds: ['my.kind'], name: 'lab-1' });
      worker.serve(worker.service({ state: 'unhealthy' }));
    },
    { kind: 'my.kind' },
  ],
  [
    'those that serve it do not fit',
    'of 4 workers online, 3 serve echo, 1 is not of tier 2, 1 lacks the label site=a, 1 takes no new tasks: waits for one that fits',
    (pool) => {
      new WorkerPeer(pool, { hardware: machine(3) });
      new WorkerPeer(pool, { hardware: machine(2) });
      new WorkerPeer(pool, { hardware: machine(1) }).drain(true);
      new WorkerPeer(pool, { kinds: ['other'] });
    },
    { constraints: { tier: 2, labels: { site: 'a' } } },
  ],
  [
    'the only one is full, and nothing is known of how long tasks take',
    'of 1 worker online, 1 serves echo, it is full: position 1',
    (pool, alice) => {
      new WorkerPeer(pool);
      alice.submit();
    },
    {},
  ],
  [
    'all are full',
    'of 2 workers online, 2 serve echo, all 2 that fit are full: position 2',
    (pool, alice) => {
      new WorkerPeer(pool);
      new WorkerPeer(pool);
      alice.submit({}, {}, {});
    },
    {},
  ],
  ['it is scheduled', 'scheduled: begins in 90 s', nobody, (pool: Pool) => ({ notBefore: pool.wallMs + 90_000 })],
])('when %s', (_when, sentence, prepare, fields) => {
  expect(waits(prepare, fields)).toBe(sentence);
});

it('gives its position, and an estimate once run times are known', () => {
  const pool = new Pool();
  const alice = new Client(pool);
  const worker = new WorkerPeer(pool, { slots: 2 });
  alice.submit();
  const { task, attempt } = worker.dispatched();
  worker.results({ task, attempt, output: new Uint8Array(), runMs: 10_000 });
  const ids = alice.submit(...Array.from({ length: 6 }, () => ({})));
  expect(why(pool, ids[2]!)).toMatch(/: position 1, about 5 s$/);
  expect(why(pool, ids[5]!)).toMatch(/: position 4, about 20 s$/);
});

it('gives a lower bound of the position for a task beyond the window', () => {
  const pool = new Pool({ settings: { windowTasks: 2 } });
  const alice = new Client(pool);
  new WorkerPeer(pool);
  const ids = alice.submit(...Array.from({ length: 6 }, () => ({})));
  expect(why(pool, ids[5]!)).toMatch(/: position 4 or later of 5$/);
});

it('gives the reason of a backoff', () => {
  const pool = new Pool();
  const alice = new Client(pool);
  const worker = new WorkerPeer(pool);
  const [id] = alice.submit({ backoffMs: 40_000 });
  worker.fail(worker.dispatched());
  expect(why(pool, id!)).toBe('waits 35 s more before attempt 2, since attempt 1 failed');
});
