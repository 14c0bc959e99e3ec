/** The store's promises on SQLite: order of claims and due times, all or nothing, guarded updates. */
import { join } from 'node:path';
import type { Task } from '@rma/server/core/task';
import { openSqliteStore, type SqliteStore } from '@rma/server/store/sqlite-store';
import fc from 'fast-check';
import { beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { event, makeTask, NOW, persistOf, tasksOf, testDirectory, theLane } from './records.js';

let file: string;
let store: SqliteStore;
beforeEach(() => {
  file = join(testDirectory(), 'pool.db');
  store = openSqliteStore(file);
  onTestFinished(() => store.close());
});

function restart(): void {
  store.close();
  store = openSqliteStore(file);
}

const seqs = (tasks: readonly Task[]) => tasks.map(({ seq }) => seq);
const PLENTY = 1_000_000;

describe('claim', () => {
  it('answers the queued rows of one lane by priority, then by arrival, behind a position', () => {
    const rows = fc.array(
      fc.record({
        priority: fc.integer({ min: -2, max: 2 }),
        lane: fc.constantFrom(1, 2),
        state: fc.constantFrom('queued' as const, 'queued' as const, 'scheduled' as const),
      }),
      { minLength: 1, maxLength: 30 },
    );
    let seq = 0;
    let lane = 0;
    fc.assert(
      fc.property(rows, fc.integer({ min: 1, max: 7 }), (fields, page) => {
        lane += 2;
        const tasks = fields.map((each) => makeTask(++seq, { ...each, lane: lane + each.lane }));
        store.commit(tasksOf(...tasks), NOW);
        const wanted = tasks
          .filter((task) => task.lane === lane + 1 && task.state === 'queued')
          .sort((a, b) => b.priority - a.priority || a.seq - b.seq);
        const claimed: Task[] = [];
        for (;;) {
          const next = store.claim(lane + 1, claimed.at(-1) ?? null, page, PLENTY);
          claimed.push(...next);
          if (next.length < page) break;
        }
        expect(seqs(claimed)).toEqual(seqs(wanted));
      }),
      { numRuns: 100 },
    );
  });

  it('stops at about the size asked for, with one row at least', () => {
    const big = () => new Uint8Array(10_000);
    store.commit(tasksOf(...[1, 2, 3, 4].map((seq) => makeTask(seq, { input: big() }))), NOW);
    expect(seqs(store.claim(1, null, 10, 15_000))).toEqual([1, 2]);
    expect(seqs(store.claim(1, null, 10, 1))).toEqual([1]);
  });
});

it('due answers the rows whose time has come, the earliest first, a bounded number', () => {
  const dueAts = [NOW + 5, NOW - 1, 0, NOW, NOW - 9, NOW + 1];
  store.commit(tasksOf(...dueAts.map((dueAt, i) => makeTask(i + 1, { dueAt, state: 'scheduled' }))), NOW);
  expect(seqs(store.due(NOW, 10))).toEqual([5, 2, 4]);
  expect(seqs(store.due(NOW, 2))).toEqual([5, 2]);
  expect(seqs(store.due(NOW - 10, 2))).toEqual([]);
});

describe('commit', () => {
  it('writes all of a turn, and all of it is there after a restart', () => {
    const running = makeTask(1, { state: 'running', attempt: 1, worker: 'w-1', startedAt: NOW });
    store.commit(
      persistOf({
        newLanes: [theLane(1), theLane(2)],
        tasks: new Set([running, makeTask(2), makeTask(3, { state: 'scheduled', dueAt: NOW + 9 })]),
        laneDeltas: new Map([[1, { queued: 1, open: 3 }]]),
        ownerDeltas: new Map([['alice', 3]]),
        endedDeltas: new Map([['succeeded', 2]]),
        chunks: [1, 2].map((chunk) => ({ seq: 1, attempt: 1, chunk, data: new Uint8Array(chunk * 10) })),
        kinds: [{ kind: 'echo', worker: 'w-1' }],
        events: [event(1), event(2)],
      }),
      NOW,
    );
    restart();
    const loaded = store.load();
    expect(loaded).toMatchObject({ nextSeq: 4, nextLane: 3, lastEvent: 2, scheduled: 1 });
    expect(loaded.lanes.map(({ lane, queued }) => [lane.id, queued, lane.open])).toEqual([
      [1, 1, 3],
      [2, 0, 0],
    ]);
    expect(loaded.running).toMatchObject([{ seq: 1, attempt: 1, worker: 'w-1', lastChunk: 2, chunkBytes: 30 }]);
    expect(loaded.owners).toEqual([{ owner: 'alice', open: 3 }]);
    expect(loaded.ended).toEqual([{ state: 'succeeded', count: 2 }]);
    expect(loaded.kinds).toEqual([{ kind: 'echo', worker: 'w-1' }]);
    expect(store.chunks(1, 1, 1, 9, 9)).toMatchObject([{ chunk: 2 }]);
  });

  it('keeps nothing of a turn of which one row fails, and goes on with the next', () => {
    store.commit(persistOf({ newLanes: [theLane()], tasks: new Set([makeTask(1)]) }), NOW);
    const twin = makeTask(3, { id: makeTask(1).id });
    const before = store.load();
    const turn = persistOf({
      tasks: new Set([makeTask(2), twin]),
      laneDeltas: new Map([[1, { queued: 2, open: 2 }]]),
      events: [event(1)],
    });
    expect(() => store.commit(turn, NOW)).toThrow(`invariant: the task ${twin.id} is there already`);
    expect(store.load()).toEqual(before);
    expect(store.fetch([makeTask(2).id])).toEqual([]);
    expect([...turn.tasks].map(({ stored }) => stored)).toEqual([null, null]);
    store.commit(tasksOf(makeTask(2)), NOW);
    expect(store.fetch([makeTask(2).id])).toHaveLength(1);
  });

  it.each([
    ['state', { state: 'running', attempt: 0 }],
    ['attempt', { state: 'queued', attempt: 3 }],
  ] as const)('stops at an update whose row is in another %s than memory holds, and writes none of it', (_, stored) => {
    const task = makeTask(1);
    store.commit(tasksOf(task), NOW);
    Object.assign(task, { state: 'cancelled', endedAt: NOW, stored });
    const turn = tasksOf(makeTask(2), task);
    expect(() => store.commit(turn, NOW)).toThrow(`invariant: the task ${task.id} is queued, attempt 0 on disk`);
    store.load();
    expect(store.fetch([task.id])).toMatchObject([{ state: 'queued', attempt: 0, endedAt: 0 }]);
    expect(store.fetch([makeTask(2).id])).toEqual([]);
  });

  it('stops at a count for a lane that is not there', () => {
    const turn = persistOf({ laneDeltas: new Map([[9, { queued: 1, open: 1 }]]) });
    expect(() => store.commit(turn, NOW)).toThrow('invariant: there is no lane 9');
  });

  it('never drops a lane that has open tasks', () => {
    const open = new Map([[1, { queued: 1, open: 1 }]]);
    store.commit(persistOf({ newLanes: [theLane(1), theLane(2)], laneDeltas: open }), NOW);
    store.commit(persistOf({ droppedLanes: [1, 2] }), NOW);
    expect(store.load().lanes.map(({ lane }) => lane.id)).toEqual([1]);
  });
});
