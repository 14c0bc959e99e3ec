/** A commit is in the journal at once and in the tables later; every read, also after a crash, sees all of it. */
import { copyFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Task } from '@rma/server/core/task';
import { openDatabase, openReader } from '@rma/server/store/sqlite';
import { migrate, openSqliteStore, SqliteStore } from '@rma/server/store/sqlite-store';
import { StorageFull } from '@rma/server/store/store';
import fc from 'fast-check';
import { beforeEach, expect, it, onTestFinished } from 'vitest';
import { needs } from '../support/needs.js';
import { Tmpfs } from '../support/tmpfs.js';
import { event, makeTask, NOW, persistOf, tasksOf, testDirectory, theLane } from './records.js';

let file: string;
let store: SqliteStore;
beforeEach(() => {
  file = join(testDirectory(), 'pool.db');
  store = openSqliteStore(file);
  onTestFinished(() => store.close());
});

const opened = <T extends { close(): unknown }>(closable: T): T => {
  onTestFinished(() => void closable.close());
  return closable;
};
/** What a process finds that starts where this one was killed. */
function afterCrash(): SqliteStore {
  const copy = join(testDirectory(), 'pool.db');
  for (const end of ['', '-wal']) copyFileSync(`${file}${end}`, `${copy}${end}`);
  return opened(openSqliteStore(copy));
}
/** Rows in a table, seen from beside. */
const rows = (table: string): unknown[] => opened(openReader(file)).prepare(`SELECT * FROM ${table}`).all();
const plain = ({ input, output, ...task }: Task) => ({ ...task, input: [...input], output: output && [...output] });

function run(task: Task): void {
  Object.assign(task, { state: 'running', attempt: task.attempt + 1, worker: 'w-1', startedAt: NOW });
}
function end(task: Task): void {
  Object.assign(task, { state: 'succeeded', endedAt: NOW + 5, output: Uint8Array.of(1, 2) });
}

it('a task that came, ran and ended between two settlings is one insert', () => {
  store.commit(persistOf({ newLanes: [theLane()] }), NOW);
  const task = makeTask(1);
  for (const change of [() => undefined, () => run(task), () => end(task)]) {
    change();
    store.commit(tasksOf(task), NOW);
    expect(rows('tasks')).toEqual([]);
  }
  expect(rows('journal')).toHaveLength(4);
  store.settle();
  expect(rows('tasks')).toMatchObject([{ seq: 1, state: 3, attempt: 1, ended_at: NOW + 5 }]);
  expect(rows('journal')).toEqual([]);
});

/** As the core writes an attempt's record: begun in this commit, or known. */
const attempt = (state: 'running' | 'ended', isNew: boolean, seq = 1) => {
  const error = state === 'ended' ? { code: 'broken', message: 'it broke' } : null;
  const common = { seq, attempt: 1, worker: 'w-1', service: 'main', startedAt: NOW, endedAt: error ? NOW + 5 : 0 };
  return new Map([[`${seq}#1`, { ...common, state, error, isNew }]]);
};
const gone = (seq = 1) => new Map([[`${seq}#1`, { seq, attempt: 1, state: 'gone', isNew: false }]] as const);

it('an attempt that began and was accepted between two settlings writes no row of its own', () => {
  const database = opened(openDatabase(':memory:'));
  migrate(database);
  const counted = new SqliteStore(database);
  const written = database.prepare('SELECT total_changes()').pluck();
  const task = makeTask(1);
  run(task);
  counted.commit(persistOf({ tasks: new Set([task]), attempts: attempt('running', true) }), NOW);
  end(task);
  counted.commit(persistOf({ tasks: new Set([task]), attempts: gone() }), NOW);
  const before = written.get() as number;
  counted.settle();
  // The task, and two rows that leave the journal.
  expect((written.get() as number) - before).toBe(3);
  expect(database.prepare('SELECT count(*) FROM attempts').pluck().get()).toBe(0);
});

it('an attempt that lasts over a settling is a row, which goes with its result or becomes its history', () => {
  const [first, second] = [makeTask(1), makeTask(2)];
  for (const task of [first, second]) {
    run(task);
    store.commit(persistOf({ tasks: new Set([task]), attempts: attempt('running', true, task.seq) }), NOW);
  }
  store.settle();
  expect(rows('attempts')).toMatchObject([
    { seq: 1, worker: 'w-1', service: 'main', state: 1, ended_at: 0 },
    { seq: 2 },
  ]);
  expect(afterCrash().load().attempts).toMatchObject([{ task: first.id, kind: 'echo', state: 'running' }, { seq: 2 }]);
  end(first);
  store.commit(persistOf({ tasks: new Set([first]), attempts: gone() }), NOW);
  store.commit(persistOf({ attempts: attempt('ended', false, 2) }), NOW);
  expect(afterCrash().load().attempts).toEqual([]);
  store.settle();
  expect(rows('attempts')).toMatchObject([{ seq: 2, state: 0, code: 'broken', ended_at: NOW + 5 }]);
  expect(store.fetch([second.id])).toMatchObject([{ triedOn: ['w-1'] }]);
});

it('the last word on an attempt whose task was pruned meanwhile writes nothing', () => {
  store.commit(persistOf({ attempts: attempt('ended', false, 9) }), NOW);
  store.settle();
  expect(rows('attempts')).toEqual([]);
});

it('a reader of tables sees what was committed: claims and due times settle first, what is pruned needs not', () => {
  store.commit(persistOf({ newLanes: [theLane()], tasks: new Set([makeTask(1), makeTask(2)]) }), NOW);
  expect(store.claim(1, null, 10, 1_000_000).map(({ seq }) => seq)).toEqual([1, 2]);
  store.commit(tasksOf(makeTask(3, { state: 'scheduled', dueAt: NOW - 1 })), NOW);
  expect(store.due(NOW, 10).map(({ seq }) => seq)).toEqual([3]);
  store.commit(tasksOf(makeTask(4, { state: 'failed', attempt: 1, endedAt: NOW - 9 })), NOW);
  const overdue = { endedBefore: NOW, eventsBefore: 0, maxEvents: 1_000, rows: 10, bytes: 1_000_000 };
  expect(store.prune(overdue)).toBe(false);
  store.settle();
  expect(store.prune(overdue)).toBe(true);
  expect(store.fetch([makeTask(4).id])).toEqual([]);
});

it('a commit of much payload goes to the tables at once, with all that was pending', () => {
  store.commit(tasksOf(makeTask(1)), NOW);
  store.commit(tasksOf(makeTask(2, { input: new Uint8Array(200_000) })), NOW);
  expect(rows('journal')).toEqual([]);
  expect(rows('tasks')).toHaveLength(2);
});

it('a try whether there is room brings the tables up to date and leaves nothing that a start would run', () => {
  const task = makeTask(1);
  store.commit(persistOf({ newLanes: [theLane()], tasks: new Set([task]) }), NOW);
  expect([store.tryToWrite(), store.tryToWrite()]).toEqual([true, true]);
  expect(rows('tasks')).toHaveLength(1);
  const next = afterCrash();
  expect(next.load().nextSeq).toBe(2);
  expect(next.fetch([task.id]).map(plain)).toEqual(store.fetch([task.id]).map(plain));
});

it('a lane that goes makes room for one of the same key', () => {
  store.commit(persistOf({ newLanes: [theLane(1)] }), NOW);
  store.commit(persistOf({ droppedLanes: [1] }), NOW);
  store.commit(persistOf({ newLanes: [{ ...theLane(2), key: theLane(1).key }] }), NOW);
  store.settle();
  expect(rows('lanes')).toMatchObject([{ id: 2 }]);
});

it('a task that goes on in the very commit that makes a lane anew is found as it was left', () => {
  const task = makeTask(1);
  const counted = (queued: number) => new Map([[1, { queued, open: queued }]]);
  store.commit(persistOf({ newLanes: [theLane(1), theLane(2)], tasks: new Set([task]), laneDeltas: counted(1) }), NOW);
  store.commit(persistOf({ droppedLanes: [2] }), NOW);
  run(task);
  const again = { ...theLane(3), key: theLane(2).key };
  store.commit(persistOf({ newLanes: [again], tasks: new Set([task]), laneDeltas: counted(-1) }), NOW);
  end(task);
  store.commit(tasksOf(task), NOW);
  const crashed = afterCrash();
  crashed.load();
  expect(crashed.fetch([task.id]).map(plain)).toEqual([plain(task)]);
  store.settle();
  expect(rows('tasks')).toMatchObject([{ state: 3, attempt: 1 }]);
  expect(rows('lanes')).toMatchObject([{ id: 1 }, { id: 3 }]);
});

it(
  'on a full disk nothing committed is lost or unknown, what fits is taken, and the tables catch up',
  needs('tmpfs'),
  () => {
    const disk = new Tmpfs(4);
    onTestFinished(() => disk.unmount());
    const full = opened(openSqliteStore(join(disk.dir, 'full.db')));
    full.commit(persistOf({ newLanes: [theLane()] }), NOW);
    full.settle();
    const kept: Task[] = [];
    const submit = (bytes: number) => {
      const task = makeTask(kept.length + 1, { input: new Uint8Array(bytes) });
      full.commit(tasksOf(task), NOW);
      kept.push(task);
    };
    for (let i = 0; i < 20; i++) submit(3_000);
    disk.fill();
    expect(() => {
      for (;;) submit(3_000);
    }).toThrow(StorageFull);
    const inputs = () => full.fetch(kept.map(({ id }) => id)).map(({ input }) => input.length);
    // Again and again, as a coordinator does that waits for room: with the tables behind the journal.
    for (let i = 0; i < 3; i++) {
      expect(() => full.settle()).toThrow(StorageFull);
      expect(full.tryToWrite()).toBe(false);
      expect(full.load().nextSeq).toBe(kept.length + 1);
      expect(inputs()).toEqual(kept.map(({ input }) => input.length));
      expect(full.due(NOW, 10)).toEqual([]);
    }
    const twin = makeTask(99, { id: makeTask(1).id });
    expect(() => full.commit(tasksOf(twin), NOW)).toThrow('is there already');
    disk.empty();
    submit(3_000);
    full.settle();
    const rows = opened(openReader(join(disk.dir, 'full.db')));
    expect(rows.prepare('SELECT count(*) FROM tasks').pluck().get()).toBe(kept.length);
    expect(rows.prepare('SELECT count(*) FROM journal').pluck().get()).toBe(0);
    expect(inputs()).toEqual(kept.map(({ input }) => input.length));
  },
);

it('the tables are brought up to date once much is pending', () => {
  for (let seq = 1; seq <= 40; seq++) store.commit(tasksOf(makeTask(seq, { input: new Uint8Array(20_000) })), NOW);
  expect(rows('tasks').length).toBeGreaterThan(20);
});

it('a process that starts after a crash finds every commit, whenever the tables were brought up to date', () => {
  const turns = fc.array(
    fc.record({ what: fc.constantFrom('new', 'run', 'end', 'settle'), which: fc.nat(30) } as const),
    { minLength: 1, maxLength: 40 },
  );
  let seq = 0;
  let lane = 0;
  let events = 0;
  fc.assert(
    fc.property(turns, (steps) => {
      const mine = theLane(++lane);
      const tasks: Task[] = [];
      store.commit(persistOf({ newLanes: [mine] }), NOW);
      for (const { what, which } of steps) {
        const open = tasks.filter(({ endedAt }) => endedAt === 0);
        const task = what === 'new' ? makeTask(++seq, { lane }) : open[which % Math.max(1, open.length)];
        if (what === 'settle') store.settle();
        if (what === 'settle' || !task) continue;
        if (what === 'new') tasks.push(task);
        else if (task.state === 'queued') run(task);
        else if (what === 'end') end(task);
        else continue;
        const delta = { queued: what === 'new' ? 1 : 0, open: what === 'end' ? -1 : 1 };
        const changes = { laneDeltas: new Map([[lane, delta]]), events: [event(++events)] };
        store.commit(persistOf({ tasks: new Set([task]), ...changes }), NOW);
      }
      const ids = tasks.map(({ id }) => id);
      const crashed = afterCrash();
      const loaded = crashed.load();
      expect(crashed.fetch(ids).map(plain)).toEqual(store.fetch(ids).map(plain));
      expect(loaded).toEqual(store.load());
      crashed.close();
    }),
    { numRuns: 25 },
  );
});
