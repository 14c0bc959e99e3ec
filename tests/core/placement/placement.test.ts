/** Placement through the core's inputs: joins, demand, policy, state, a restart; and its explanations to waiting owners. */
import { explainWaiting } from '@rma/server/core/explain';
import { describe, expect, it } from 'vitest';
import { Pool } from '../harness.js';
import { Client, machine, WorkerPeer } from '../peer.js';
import { container, ENGINE, entry, join, useCatalog } from './catalog-fixtures.js';

const engine = ENGINE;
const trusted = { trust: 'trusted', engine, kinds: ['own'] } as const;
const POSTGRES = { stateful: true, trusted: true, kinds: [], floor: 1 } as const;

function runs(worker: WorkerPeer, workload: string, changes: Parameters<WorkerPeer['service']>[0] = {}) {
  return worker.service({ name: workload, workload, runtime: 'docker', kinds: [`${workload}.run`], ...changes });
}

function why(pool: Pool, id: string): string {
  const [task] = pool.store.fetch([id]);
  if (task?.state !== 'queued') throw new Error(`the task is ${task?.state}`);
  return explainWaiting(pool.state, { ...task, state: task.state }, pool.wallMs);
}

const events = (pool: Pool, type: string) => pool.memory.tables.events.filter((event) => event.type === type);

describe('floors', () => {
  it('are placed with the very welcome of the first worker that fits', () => {
    const pool = new Pool();
    useCatalog(pool, entry('postgres', POSTGRES));
    join(pool, { engine });
    const worker = new WorkerPeer(pool, trusted);
    expect(worker.assigned).toEqual(['postgres']);
    expect(worker.live.assignment.workloads[0]).toMatchObject({ container: { image: 'registry.example/thing:1' } });
  });

  it('come before embedded workloads that fill the machine', () => {
    const pool = new Pool();
    useCatalog(pool, entry('postgres', { ...POSTGRES, container: { ...container({ memoryMiB: 600 }) } }));
    const available = [{ workload: 'ocr', kinds: ['ocr.read'], cores: 1, memoryMiB: 400 }];
    const worker = join(pool, { ...trusted, hardware: machine(null), available });
    expect(worker.assigned).toEqual(['postgres']);
    expect(worker.live.assignment.declined[0]?.reason).toBe('needs 400 MiB, 219 MiB of 819 are left');
  });

  it('are met elsewhere once their worker is gone for good measure, and not before', () => {
    const pool = new Pool();
    useCatalog(pool, entry('chat', { floor: 1 }));
    const one = join(pool, { engine });
    const two = join(pool, { engine });
    one.serve(runs(one, 'chat'));
    one.disconnect();
    pool.advance(5_000);
    expect(two.assigned).toEqual([]);
    pool.advance(30_000);
    expect(two.assigned).toEqual(['chat']);
  });
});

describe('demand', () => {
  it('holds a task of a kind that nobody serves yet, starts its workload, and runs the task once it is healthy', () => {
    const pool = new Pool();
    useCatalog(pool, entry('chat'));
    const alice = new Client(pool);
    const worker = join(pool, { engine, name: 'attic' });
    expect(worker.assigned).toEqual([]);
    worker.read();
    const [id] = alice.submit({ kind: 'chat.run' });
    pool.advance(1_000);
    expect(worker.read().assignments.at(-1)?.workloads).toMatchObject([{ workload: 'chat' }]);
    worker.serve(worker.service(), runs(worker, 'chat', { state: 'pulling', pull: { bytes: 100, totalBytes: 1_000 } }));
    pool.advance(3_000);
    worker.serve(worker.service(), runs(worker, 'chat', { state: 'pulling', pull: { bytes: 400, totalBytes: 1_000 } }));
    expect(why(pool, id!)).toBe(`chat is being started on attic (${worker.id}): pulling 40 %, about 6 s left`);
    worker.serve(worker.service(), runs(worker, 'chat'));
    expect(worker.dispatched().task).toBe(id);
  });

  it('emits the progress of a pull once a second', () => {
    const pool = new Pool();
    useCatalog(pool, entry('chat', { floor: 1 }));
    const worker = join(pool, { engine });
    for (let bytes = 1; bytes <= 50; bytes++) {
      worker.serve(runs(worker, 'chat', { state: 'pulling', pull: { bytes: bytes * 10, totalBytes: 1_000 } }));
      pool.advance(100);
    }
    const pulls = events(pool, 'service.pulling');
    expect(pulls).toHaveLength(5);
    expect(pulls[0]?.data).toEqual({ service: 'chat', bytes: 10, totalBytes: 1_000 });
    expect(events(pool, 'service.changed').filter(({ data }) => data?.state === 'pulling')).toHaveLength(1);
  });

  it('explains what is missing where no worker can run it', () => {
    const pool = new Pool();
    useCatalog(pool, entry('chat', { tier: 1, container: container({ vramMiB: 8_000 }, true) }));
    const alice = new Client(pool);
    join(pool, { engine });
    join(pool, { hardware: machine(1) });
    join(pool, { hardware: machine(1), engine });
    const [id] = alice.submit({ kind: 'chat.run' });
    expect(why(pool, id!)).toBe(
      'none of 3 workers online can run chat (1 has no NVIDIA GPU, 1 has no container engine, 1 its container engine lacks the NVIDIA runtime): waits for one that can',
    );
  });

  it('minds the constraints of the tasks that wait', () => {
    const pool = new Pool();
    useCatalog(pool, entry('chat', { ceiling: 4 }));
    const alice = new Client(pool);
    const gpu = { ...machine(1), gpus: [{ index: 0, name: 'A', vendor: 'NVIDIA', vramMiB: 24_000 }] };
    const small = join(pool, { engine, hardware: machine(3) });
    const large = join(pool, { engine, hardware: gpu });
    alice.submit({ kind: 'chat.run', constraints: { minVramMiB: 20_000 } });
    pool.advance(1_000);
    expect([small.assigned, large.assigned]).toEqual([[], ['chat']]);
  });

  it('wakes the workload that has the model asked for, and gives the task to no other', () => {
    const pool = new Pool();
    const kinds = ['llm.chat'];
    useCatalog(pool, entry('a', { kinds, models: ['small'] }), entry('b', { kinds, models: ['large'] }));
    const alice = new Client(pool);
    const worker = join(pool, { engine, kinds: ['own'] });
    alice.submit({ kind: 'llm.chat', constraints: { model: 'large' } });
    pool.advance(1_000);
    expect(worker.assigned).toEqual(['b']);
    worker.serve(runs(worker, 'other', { kinds, models: ['small'] }));
    expect(worker.dispatches()).toEqual([]);
    worker.serve(runs(worker, 'b', { kinds, models: ['large'] }));
    expect(worker.dispatches()).toHaveLength(1);
    const [id] = alice.submit({ kind: 'llm.chat', constraints: { model: 'huge' } });
    expect(why(pool, id!)).toContain('no worker serves the model huge; the catalogue has small, large');
  });

  it('unloads what is idle when its room is needed, but not before its minimum run time', () => {
    const pool = new Pool();
    const half = { container: container({ memoryMiB: 2_000 }), minRunSeconds: 60 };
    useCatalog(pool, entry('a', half), entry('b', half));
    const alice = new Client(pool);
    const worker = join(pool, { engine, kinds: ['own'] });
    const [first] = alice.submit({ kind: 'a.run' });
    pool.advance(1_000);
    worker.serve(runs(worker, 'a'));
    worker.succeed({ task: first!, attempt: 1 });
    const [second] = alice.submit({ kind: 'b.run' });
    pool.advance(10_000);
    expect(worker.assigned).toEqual(['a']);
    expect(why(pool, second!)).toMatch(
      /^b waits for room: no room: w-.* needs 2000 MiB of memory, 1276 of 3276 are left/,
    );
    pool.advance(60_000);
    expect(worker.assigned).toEqual(['b']);
  });

  it('ends what was idle for its time, above the floor', () => {
    const pool = new Pool();
    useCatalog(pool, entry('a', { idleSeconds: 300 }));
    const alice = new Client(pool);
    const worker = join(pool, { engine, kinds: ['own'] });
    const [id] = alice.submit({ kind: 'a.run' });
    pool.advance(1_000);
    worker.serve(runs(worker, 'a'));
    worker.succeed({ task: id!, attempt: 1 });
    pool.advance(290_000);
    expect(worker.assigned).toEqual(['a']);
    pool.advance(20_000);
    expect(worker.assigned).toEqual([]);
  });

  it('refuses a kind that neither a worker nor the catalogue has', () => {
    const pool = new Pool();
    useCatalog(pool, entry('chat'));
    const alice = new Client(pool);
    alice.submit({ kind: 'chat.walk' });
    expect(alice.read().refused[0]?.error.message).toContain('did you mean chat.run?');
  });
});

describe('state', () => {
  it('stays where it is: a workload that was healthy waits for its worker, with the time since when', () => {
    const pool = new Pool();
    useCatalog(pool, entry('rag', { ...POSTGRES, kinds: ['rag.query'] }));
    const one = join(pool, { ...trusted, name: 'w-3' });
    const two = join(pool, trusted);
    one.serve(runs(one, 'rag', { kinds: ['rag.query'] }));
    expect(events(pool, 'workload.bound')).toMatchObject([{ subject: one.id, data: { workload: 'rag' } }]);
    one.disconnect();
    pool.advance(600_000);
    expect(two.assigned).toEqual([]);
    const [id] = new Client(pool).submit({ kind: 'rag.query' });
    expect(why(pool, id!)).toBe(
      `rag is unavailable: w-3 (${one.id}) is offline since 12:00 UTC, and its data is there`,
    );
  });

  it('stays where it is over a restart of the coordinator, and is let go when its worker is revoked', () => {
    const pool = new Pool();
    const catalog = entry('postgres', POSTGRES);
    useCatalog(pool, catalog);
    const one = join(pool, trusted);
    one.serve(runs(one, 'postgres', { kinds: [] }));
    pool.restart();
    useCatalog(pool, catalog);
    const two = join(pool, trusted);
    pool.advance(120_000);
    expect(two.assigned).toEqual([]);
    new Client(pool, 'root', 'admin').act({ do: 'worker.revoke', worker: one.id });
    pool.advance(1_000);
    expect(two.assigned).toEqual(['postgres']);
    expect(events(pool, 'workload.released')).toHaveLength(1);
  });
});

describe('a restart of the coordinator', () => {
  it('takes over what a reconnecting worker runs, and starts nothing twice meanwhile', () => {
    const pool = new Pool();
    const catalog = entry('chat', { floor: 1 });
    useCatalog(pool, catalog);
    const one = join(pool, { engine });
    const two = join(pool, { engine });
    one.serve(runs(one, 'chat'));
    pool.restart();
    useCatalog(pool, catalog);
    two.connect({ services: [] });
    pool.advance(5_000);
    expect(two.assigned).toEqual([]);
    one.connect({ services: [runs(one, 'chat')] });
    pool.advance(60_000);
    expect([one.assigned, two.assigned]).toEqual([['chat'], []]);
  });
});

describe('the donor', () => {
  it('decides: nothing is begun on a paused machine, no task given to it, and a floor is met elsewhere', () => {
    const pool = new Pool();
    useCatalog(pool, entry('chat', { floor: 1 }));
    const alice = new Client(pool);
    const one = join(pool, { engine, policy: { paused: true, reason: 'the owner is here' } });
    const two = join(pool, { engine, kinds: ['own'] });
    expect([one.assigned, two.assigned]).toEqual([[], ['chat']]);
    alice.submit({});
    expect(one.dispatches()).toEqual([]);
    one.send({ type: 'policy', policy: { paused: false } });
    expect(one.dispatches()).toHaveLength(1);
    expect(events(pool, 'worker.policy').at(-1)?.data).toEqual({ paused: false });
  });

  it('may install a container engine later: what needs one is placed then', () => {
    const pool = new Pool();
    useCatalog(pool, entry('chat', { floor: 1 }));
    const worker = join(pool, {});
    expect(worker.assigned).toEqual([]);
    worker.send({ type: 'policy', policy: { paused: false }, engine });
    pool.advance(1_000);
    expect(worker.assigned).toEqual(['chat']);
  });

  it.each([
    ['workloads', { paused: false, workloads: ['other'] }, 'its donor does not lend it to this workload'],
    ['kinds', { paused: false, kinds: ['echo'] }, 'its donor does not lend it to these task kinds'],
    ['images', { paused: false, images: ['ghcr.io/*'] }, 'its donor does not allow the image registry.example/thing:1'],
    ['memory', { paused: false, caps: { memoryMiB: 100 } }, 'needs 256 MiB of memory, it lends 100'],
  ])('decides by its list of %s', (_what, policy, reason) => {
    const pool = new Pool();
    useCatalog(pool, entry('chat', { floor: 1 }));
    const worker = join(pool, { engine, policy });
    expect(worker.assigned).toEqual([]);
    expect(worker.live.eligibility?.get('chat')).toEqual({ ok: false, reason });
  });
});

describe('a catalogue that changes', () => {
  it('is in force at once: what left it is withdrawn, what came is placed', () => {
    const pool = new Pool();
    useCatalog(pool, entry('a', { floor: 1 }));
    const worker = join(pool, { engine });
    expect(worker.assigned).toEqual(['a']);
    useCatalog(pool, entry('b', { floor: 1 }));
    pool.advance(1_000);
    expect(worker.assigned).toEqual(['b']);
    expect(events(pool, 'catalog.changed').at(-1)?.data).toEqual({ source: 'test', workloads: ['b'] });
  });

  it('sends a worker the new image of what it runs', () => {
    const pool = new Pool();
    useCatalog(pool, entry('a', { floor: 1 }));
    const worker = join(pool, { engine });
    worker.read();
    useCatalog(pool, entry('a', { floor: 1, container: { ...container(), image: 'registry.example/thing:2' } }));
    const [given] = worker.read().assignments;
    expect(given?.workloads).toMatchObject([{ workload: 'a', container: { image: 'registry.example/thing:2' } }]);
  });

  it('pushes an assignment only when it is another', () => {
    const pool = new Pool();
    useCatalog(pool, entry('a', { floor: 1 }));
    const worker = join(pool, { engine });
    worker.read();
    worker.serve(runs(worker, 'a'));
    pool.advance(60_000);
    expect(worker.read().assignments).toEqual([]);
  });
});

describe('a workload that fails', () => {
  it('is tried on other machines, and on no more than three', () => {
    const pool = new Pool();
    useCatalog(pool, entry('a', { floor: 1 }));
    const workers = [1, 2, 3, 4, 5].map(() => join(pool, { engine }));
    for (let minute = 0; minute < 30; minute++) {
      for (const worker of workers) {
        if (!worker.assigned.includes('a')) continue;
        worker.serve(runs(worker, 'a', { state: 'unhealthy', reason: 'the image does not exist' }));
      }
      for (let second = 0; second < 60; second += 5) pool.advance(5_000);
    }
    expect(workers.filter(({ assigned }) => assigned.includes('a'))).toHaveLength(3);
    expect(pool.state.catalog.unmet.get('a')).toBe('it failed on 3 workers: see their services');
  });
});
