/** What queries show of workers and tasks from the live state. */
import { countTasks, countWorkers, viewKinds, viewWorker } from '@rma/server/core/view';
import { expect, it } from 'vitest';
import { Pool } from './harness.js';
import { Client, machine, WorkerPeer } from './peer.js';

const LOAD = { cpu: 0.12, memoryUsedMiB: 100, gpus: [] };

it('a worker with what runs on it; to an admin also where it is and what it has', () => {
  const pool = new Pool();
  const alice = new Client(pool);
  const worker = new WorkerPeer(pool, { slots: 2, name: 'attic', labels: { site: 'a' } });
  const view = (full: boolean) => viewWorker(worker.live, full, pool.wallMs);
  expect(view(false)).not.toHaveProperty('load');
  alice.submit({}, {});
  worker.send({ type: 'sample', load: LOAD });
  pool.advance(1_000);
  const seen = {
    id: worker.id,
    name: 'attic',
    state: 'online',
    tier: 3,
    pinned: false,
    trust: 'community',
    labels: { site: 'a' },
    running: 2,
    load: LOAD,
    lastSeenAt: pool.wallMs,
  };
  expect(view(false)).toMatchObject(seen);
  expect(view(false)).not.toHaveProperty('address');
  expect(view(true)).toMatchObject({
    ...seen,
    owner: 'attic',
    address: '10.0.0.1',
    hardware: machine(3),
    agentVersion: 'rma-worker 0',
  });
  const leftMs = pool.wallMs;
  worker.disconnect();
  pool.advance(1_000);
  expect(view(true)).toMatchObject({ state: 'away', running: 2, lastSeenAt: leftMs, address: '' });
  expect(view(true)).not.toHaveProperty('load');
});

it('workers by state and tier: those that were revoked count in their state alone', () => {
  const pool = new Pool();
  const admin = new Client(pool, 'root', 'admin');
  new WorkerPeer(pool);
  new WorkerPeer(pool, { hardware: machine(1) });
  new WorkerPeer(pool, { hardware: machine(null) });
  new WorkerPeer(pool).drain(true);
  new WorkerPeer(pool).disconnect();
  const gone = new WorkerPeer(pool);
  admin.act({ do: 'worker.revoke', worker: gone.id });
  expect(countWorkers(pool.state)).toEqual({
    total: 5,
    online: 4,
    byTier: { '1': 1, '2': 0, '3': 2, none: 1 },
    byState: { online: 3, draining: 1, offline: 1, revoked: 1 },
  });
});

it('tasks by state, and by kind those that wait', () => {
  const pool = new Pool();
  const alice = new Client(pool);
  const worker = new WorkerPeer(pool);
  alice.submit({}, {}, { kind: 'ocr.read' }, { notBefore: pool.wallMs + 5_000 });
  worker.succeed(worker.dispatched());
  const { byState, ...counts } = countTasks(pool.state);
  expect(counts).toEqual({ queued: 1, running: 1, queuedByKind: { 'ocr.read': 1 } });
  expect(byState).toMatchObject({ queued: 1, scheduled: 1, running: 1, succeeded: 1, failed: 0 });
  expect(viewKinds(pool.state)).toEqual([
    { kind: 'echo', queued: 0, running: 1, workers: 1, meanRunMs: 10 },
    { kind: 'ocr.read', queued: 1, running: 0, workers: 0 },
    { kind: 'ner.extract', queued: 0, running: 0, workers: 0 },
  ]);
});
