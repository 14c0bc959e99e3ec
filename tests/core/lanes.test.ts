/** Lanes: what is held in memory of a queue, and that its order is right whatever is. */
import type { CoreSettings } from '@rma/server/core/settings';
import { describe, expect, it } from 'vitest';
import { Pool } from './harness.js';
import { Client, WorkerPeer } from './peer.js';

function setUp(settings: Partial<CoreSettings>) {
  const pool = new Pool({ settings });
  const alice = new Client(pool);
  const lane = () => [...pool.state.lanes.values()][0]!;
  const held = () =>
    lane()
      .window.map(({ id }) => id)
      .reverse();
  return { pool, alice, lane, held };
}

/** Lets a worker with one slot take the whole queue, one by one. */
function drainAll(pool: Pool): string[] {
  const worker = new WorkerPeer(pool);
  const order: string[] = [];
  for (let given = worker.dispatches(); given.length > 0; given = worker.dispatches()) {
    order.push(given[0]!.task);
    worker.succeed(given[0]!);
  }
  return order;
}

describe('the window of a lane', () => {
  it('holds the first ones; later ones lie only in the store', () => {
    const { pool, alice, lane, held } = setUp({ windowTasks: 3 });
    const ids = alice.submit({}, {}, {}, {}, {});
    expect(held()).toEqual(ids.slice(0, 3));
    expect(lane().beyond).toBe(2);
    expect(pool.state.tasks.size).toBe(3);
    expect(pool.state.queued).toBe(5);
  });

  it('lets a better arrival in and its tail out', () => {
    const { alice, lane, held } = setUp({ windowTasks: 3 });
    const ids = alice.submit({}, {}, {}, {});
    const [better] = alice.submit({ priority: 1 });
    expect(held()).toEqual([better, ids[0], ids[1]]);
    expect(lane().beyond).toBe(2);
  });

  it('does not let an arrival overtake what is only stored', () => {
    const { pool, alice, held } = setUp({ windowTasks: 2 });
    const ids = alice.submit({}, {}, {});
    alice.cancel(ids[0]!);
    const [late] = alice.submit({});
    expect(held()).toEqual([ids[1]]);
    expect(drainAll(pool)).toEqual([ids[1], ids[2], late]);
  });

  it('is filled from the store as it empties, in the order of priority and arrival', () => {
    const { pool, alice } = setUp({ windowTasks: 4 });
    const low = alice.submit(...Array.from({ length: 9 }, () => ({ priority: -1 })));
    const high = alice.submit(...Array.from({ length: 9 }, () => ({ priority: 5 })));
    const mid = alice.submit(...Array.from({ length: 9 }, () => ({})));
    expect(pool.state.tasks.size).toBe(4);
    expect(drainAll(pool)).toEqual([...high, ...mid, ...low]);
    expect(pool.state.tasks.size).toBe(0);
  });

  it('is filled from the store after a restart', () => {
    const { pool, alice } = setUp({ windowTasks: 4 });
    const ids = alice.submit(...Array.from({ length: 10 }, () => ({})));
    pool.restart();
    expect(pool.state.queued).toBe(10);
    expect(pool.state.tasks.size).toBe(0);
    expect(drainAll(pool)).toEqual(ids);
  });

  it('is bounded by bytes, too, and always holds one', () => {
    const { pool, alice, lane } = setUp({ windowTasks: 100, windowBytes: 3_000 });
    const ids = alice.submit(...Array.from({ length: 6 }, () => ({ input: new Uint8Array(1_000) })));
    expect(lane().window).toHaveLength(2);
    const [huge] = alice.submit({ input: new Uint8Array(60_000), priority: 9 });
    expect(lane().window.map(({ id }) => id)).toEqual([huge]);
    expect(drainAll(pool)).toEqual([huge, ...ids]);
  });

  it('lets out as much as a large arrival needs', () => {
    const { alice, lane } = setUp({ windowTasks: 100, windowBytes: 10_000 });
    alice.submit(...Array.from({ length: 20 }, () => ({ input: new Uint8Array(100) })));
    for (let priority = 1; priority <= 10; priority++) alice.submit({ input: new Uint8Array(3_000), priority });
    expect(lane().windowBytes).toBeLessThanOrEqual(10_000);
    expect(lane().window.length + lane().beyond).toBe(30);
  });

  it('keeps its count when a task beyond it is cancelled', () => {
    const { pool, alice, lane } = setUp({ windowTasks: 2 });
    const ids = alice.submit({}, {}, {}, {});
    expect(alice.cancel(ids[3]!).replies).toMatchObject([{ result: { state: 'cancelled' } }]);
    expect(lane().beyond).toBe(1);
    expect(drainAll(pool)).toEqual(ids.slice(0, 3));
  });

  it('keeps its count when a task is evicted and cancelled in one turn', () => {
    const { pool, alice, lane } = setUp({ windowTasks: 1 });
    const [first] = alice.submit({});
    const better = alice.spec({ priority: 1 });
    pool.push({ type: 'message', session: alice.session, message: { type: 'submit', tasks: [better] } });
    pool.push({ type: 'message', session: alice.session, message: { type: 'cancel', ref: 1, task: first! } });
    pool.settle();
    expect(lane()).toMatchObject({ beyond: 0, open: 1 });
    expect(drainAll(pool)).toEqual([better.id]);
  });

  it('is filled again when all that it held was cancelled', () => {
    const { pool, alice } = setUp({ windowTasks: 2 });
    const ids = alice.submit({}, {}, {}, {});
    alice.cancel(ids[0]!);
    alice.cancel(ids[1]!);
    expect(drainAll(pool)).toEqual(ids.slice(2));
  });

  it('takes a claim and the cancel of a claimed task in the same turn', () => {
    const { pool, alice } = setUp({ windowTasks: 2 });
    const ids = alice.submit({}, {}, {}, {});
    const worker = new WorkerPeer(pool, { slots: 2 });
    const [first] = worker.dispatches();
    expect(first?.task).toBe(ids[0]);
    const results = [{ task: first!.task, attempt: 1, output: new Uint8Array() }];
    pool.push({ type: 'message', session: worker.session, message: { type: 'results', results } });
    pool.turn();
    pool.push({ type: 'message', session: alice.session, message: { type: 'cancel', ref: 1, task: ids[3]! } });
    pool.settle();
    expect(pool.state.queued).toBe(0);
    expect(worker.dispatches().map(({ task }) => task)).toEqual([ids[2]]);
  });
});

describe('tasks of which only some are in memory', () => {
  const input = new Uint8Array(1_000);

  it('go before those of another lane with a lower priority, though the window is bounded by bytes', () => {
    const { pool, alice } = setUp({ windowTasks: 100, windowBytes: 5_000 });
    const low = alice.submit(
      ...Array.from({ length: 8 }, () => ({ priority: -100, constraints: { tier: 3 } as const })),
    );
    const high = alice.submit(...Array.from({ length: 8 }, () => ({ priority: 100, input })));
    const worker = new WorkerPeer(pool, { slots: 8, trust: 'trusted' });
    expect(worker.dispatches().map(({ task }) => task)).toEqual(high);
    expect(drainAll(pool).slice(0, 1)).toEqual([low[0]]);
  });

  it('go before a later one of their own lane, whatever its size', () => {
    const { pool, alice } = setUp({ windowTasks: 100, windowBytes: 5_000 });
    const low = alice.submit(...Array.from({ length: 8 }, () => ({ priority: -100 })));
    const high = alice.submit(...Array.from({ length: 8 }, () => ({ priority: 100, input: new Uint8Array(4_000) })));
    const more = alice.submit(...Array.from({ length: 8 }, () => ({ priority: 50 })));
    expect(drainAll(pool)).toEqual([...high, ...more, ...low]);
  });

  it('go before those of another lane after a restart, too', () => {
    const { pool, alice } = setUp({});
    const worker = new WorkerPeer(pool, { slots: 2, trust: 'trusted' });
    worker.disconnect();
    alice.submit(...Array.from({ length: 4 }, () => ({ priority: -100, constraints: { tier: 3 } as const })));
    const high = alice.submit(...Array.from({ length: 4 }, () => ({ priority: 100 })));
    pool.restart();
    worker.connect();
    expect(worker.dispatches().map(({ task }) => task)).toEqual(high.slice(0, 2));
  });
});

describe('a lane', () => {
  it('is dropped once all its tasks ended, in memory and on disk', () => {
    const { pool, alice } = setUp({});
    alice.submit({ constraints: { tier: 2 } });
    const [id] = alice.submit({});
    drainAll(pool);
    expect(pool.state.lanes.size).toBe(2);
    pool.advance(1_000);
    expect([...pool.state.lanes.values()].map(({ key }) => key)).toEqual(['echo [2,null,null,[]]']);
    expect(pool.memory.tables.lanes.size).toBe(1);
    expect(id).toBeDefined();
    expect(alice.submit({})).toEqual(alice.read().accepted.slice(-1));
  });

  it('stays while one of its tasks runs or waits for its time', () => {
    const { pool, alice } = setUp({});
    const worker = new WorkerPeer(pool);
    alice.submit({ backoffMs: 60_000 });
    worker.fail(worker.dispatched());
    pool.advance(2_000);
    expect(pool.state.lanes.size).toBe(1);
    pool.advance(60_000);
    expect(worker.dispatched().attempt).toBe(2);
    pool.advance(2_000);
    expect(pool.state.lanes.size).toBe(1);
  });

  it('gives its place in the quota back when it is dropped', () => {
    const { pool, alice } = setUp({ maxLanesPerOwner: 1 });
    const [id] = alice.submit({});
    alice.cancel(id!);
    pool.advance(1_000);
    alice.submit({ kind: 'ocr.read' });
    expect(alice.read().refused).toEqual([]);
  });
});
