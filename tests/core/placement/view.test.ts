/** The placement as an admin sees it: of each workload where it runs, where it could, and where it cannot and why. */
import { viewPlacedWorker, viewWorkloads } from '@rma/server/core/placement/view';
import { describe, expect, it } from 'vitest';
import { Pool } from '../harness.js';
import { Client, machine, type WorkerPeer } from '../peer.js';
import { container, ENGINE, entry, join, useCatalog } from './catalog-fixtures.js';

const engine = ENGINE;

const cells = (pool: Pool, worker: WorkerPeer) => viewPlacedWorker(pool.state, worker.live, pool.wallMs).cells;

function runs(worker: WorkerPeer, workload: string, state: 'healthy' | 'unhealthy' | 'starting' = 'healthy') {
  return worker.service({ name: workload, workload, runtime: 'docker', kinds: [`${workload}.run`], state });
}

describe('of a worker', () => {
  it('a workload runs, starts, or fails', () => {
    const pool = new Pool();
    useCatalog(pool, entry('chat', { floor: 1 }));
    const worker = join(pool, { engine, name: 'attic' });
    worker.serve(runs(worker, 'chat', 'starting'));
    expect(cells(pool, worker)).toMatchObject([{ workload: 'chat', status: 'starting' }]);
    worker.serve(runs(worker, 'chat', 'unhealthy'));
    expect(cells(pool, worker)).toMatchObject([{ workload: 'chat', status: 'failing' }]);
    worker.serve(runs(worker, 'chat'));
    expect(cells(pool, worker)).toMatchObject([{ workload: 'chat', status: 'runs' }]);
    expect(viewPlacedWorker(pool.state, worker.live, pool.wallMs)).toMatchObject({
      worker: worker.id,
      name: 'attic',
      state: 'online',
      tier: 3,
    });
  });

  it('a workload could run, and nothing asks for it', () => {
    const pool = new Pool();
    useCatalog(pool, entry('chat'));
    const worker = join(pool, { engine });
    expect(cells(pool, worker)).toEqual([
      { workload: 'chat', status: 'could', reason: 'in a container; nothing asks for it' },
    ]);
    worker.disconnect();
    expect(cells(pool, worker)).toEqual([{ workload: 'chat', status: 'cannot', reason: 'is not here' }]);
  });

  it('a workload cannot run there, or not beside its data elsewhere', () => {
    const pool = new Pool();
    useCatalog(
      pool,
      entry('vision', { container: container({ vramMiB: 8_000 }, true) }),
      entry('store', { stateful: true, trusted: true, floor: 1 }),
    );
    const holder = join(pool, { engine, trust: 'trusted' });
    holder.serve(runs(holder, 'store'));
    const other = join(pool, { engine, trust: 'trusted', hardware: machine(3) });
    const [vision, store] = cells(pool, other);
    expect(vision).toMatchObject({ workload: 'vision', status: 'cannot' });
    expect(store).toEqual({ workload: 'store', status: 'cannot', reason: `its data is on ${holder.id}` });
  });
});

describe('of a workload', () => {
  it('replicas, waiting tasks, and where its data is', () => {
    const pool = new Pool();
    useCatalog(pool, entry('store', { stateful: true, trusted: true, floor: 1, ceiling: 2 }));
    const alice = new Client(pool);
    const holder = join(pool, { engine, trust: 'trusted' });
    holder.serve(runs(holder, 'store'));
    expect(viewWorkloads(pool.state, pool.wallMs)).toEqual([
      {
        workload: 'store',
        title: 'store',
        kinds: ['store.run'],
        floor: 1,
        ceiling: 2,
        replicas: 1,
        waiting: 0,
        boundTo: holder.id,
      },
    ]);
    holder.disconnect();
    alice.submit({ kind: 'store.run' }, { kind: 'store.run' });
    const [view] = viewWorkloads(pool.state, pool.wallMs);
    expect(view).toMatchObject({ replicas: 0, waiting: 2, boundTo: holder.id });
    expect(view?.unmet).toContain(holder.id);
  });

  it('what it lacks', () => {
    const pool = new Pool();
    useCatalog(pool, entry('vision', { container: container({ vramMiB: 8_000 }, true), floor: 1 }));
    join(pool, { engine });
    const [view] = viewWorkloads(pool.state, pool.wallMs);
    expect(view).toMatchObject({ replicas: 0 });
    expect(view?.unmet).toEqual(expect.any(String));
    expect(view).not.toHaveProperty('boundTo');
  });
});
