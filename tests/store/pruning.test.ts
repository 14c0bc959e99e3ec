/** Pruning: what is past its retention goes, the oldest first, in slices that are bounded in rows and bytes. */
import { copyFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Task } from '@rma/server/core/task';
import { openReader } from '@rma/server/store/sqlite';
import { openSqliteStore, type SqliteStore } from '@rma/server/store/sqlite-store';
import { beforeEach, expect, it, onTestFinished } from 'vitest';
import { event, makeTask, NOW, persistOf, testDirectory, theLane } from './records.js';

const TABLES = ['tasks', 'attempts', 'chunks', 'void_chunks', 'blob_refs', 'events'];
const KEEP = { endedBefore: 0, eventsBefore: 0, maxEvents: 1_000_000, rows: 10, bytes: 1_000_000 };

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

function ended(seq: number, endedAt: number, fields: Partial<Task> = {}): Task {
  return makeTask(seq, { state: 'succeeded', attempt: 1, endedAt, output: Uint8Array.of(1), ...fields });
}

function commit(parts: Parameters<typeof persistOf>[0], wallMs = NOW): void {
  store.commit(persistOf(parts), wallMs);
  store.settle();
}

/** Rows of all tables, seen from beside. */
function count(of = file): number {
  const database = openReader(of);
  const rows = TABLES.map((table) => database.prepare(`SELECT count(*) FROM ${table}`).pluck().get() as number);
  database.close();
  return rows.reduce((sum, each) => sum + each);
}

/** Slices until nothing is left; answers how many rows each one deleted. */
function pruneAll(limits: Parameters<SqliteStore['prune']>[0]): number[] {
  const deleted: number[] = [];
  for (let before = count(); store.prune(limits); before = count()) deleted.push(before - count());
  return deleted;
}

const chunksOf = (seq: number, chunks: number, bytes = 1) =>
  Array.from({ length: chunks }, (_, i) => ({ seq, attempt: 1, chunk: i + 1, data: new Uint8Array(bytes) }));

it('removes ended tasks past their time with all that belongs to them, the oldest first, and nothing else', () => {
  const old = Array.from({ length: 25 }, (_, i) => ended(i + 1, NOW - 1_000 + i));
  const kept = [ended(26, NOW), makeTask(27), makeTask(28, { state: 'running', attempt: 1 })];
  commit({
    tasks: new Set([...old, ...kept]),
    chunks: [...old, kept[2]!].flatMap(({ seq }) => chunksOf(seq, 1)),
    blobRefs: [1, 26].map((seq) => ({ owner: 'alice', blob: 'b', seq })),
  });
  store.prune({ ...KEEP, endedBefore: NOW });
  const left = () => [...old, ...kept].filter(({ id }) => store.fetch([id]).length > 0).map(({ seq }) => seq);
  expect(left().slice(0, 2)).toEqual([10, 11]);
  expect(store.chunks(1, 1, 0, 9, 9)).toEqual([]);
  expect(Math.max(...pruneAll({ ...KEEP, endedBefore: NOW }))).toBeLessThanOrEqual(KEEP.rows);
  expect(left()).toEqual([26, 27, 28]);
  // Three tasks, one chunk, one reference.
  expect(count()).toBe(5);
  expect(store.chunks(28, 1, 0, 9, 9)).toHaveLength(1);
});

it('a slice ends at its rows, in the middle of a task that streamed a thousand chunks, too', () => {
  const tasks = [ended(1, NOW - 2), ended(2, NOW - 1)];
  commit({ tasks: new Set(tasks), chunks: [...chunksOf(1, 1_000), ...chunksOf(2, 1_000)] });
  const slices = pruneAll({ ...KEEP, endedBefore: NOW, rows: 100 });
  expect(Math.max(...slices)).toBeLessThanOrEqual(100);
  expect(slices.length).toBeLessThanOrEqual(2_002 / 100 + 3);
  expect(count()).toBe(0);
});

it.each([
  ['tasks', () => commit({ tasks: new Set(Array.from({ length: 40 }, (_, i) => ended(i + 1, NOW - 1, big()))) })],
  ['chunks', () => commit({ tasks: new Set([ended(1, NOW - 1)]), chunks: chunksOf(1, 40, 10_000) })],
  ['events', () => repeat(40, (i) => commit({ events: [event(i + 1, { data: { text: 'x'.repeat(10_000) } })] }))],
])('a slice ends at its bytes: %s of 10 KB', (_what, write) => {
  write();
  const slices = pruneAll({ ...KEEP, endedBefore: NOW, eventsBefore: NOW + 1, rows: 1_000, bytes: 50_000 });
  expect(Math.max(...slices)).toBeLessThanOrEqual(6);
  expect(slices.length).toBeLessThanOrEqual(40 / 5 + 3);
  expect(count()).toBe(0);
});
const big = () => ({ input: new Uint8Array(5_000), output: new Uint8Array(5_000) });
function repeat(times: number, what: (i: number) => void): void {
  for (let i = 0; i < times; i++) what(i);
}

it('goes on where it was when the process was killed between two slices', () => {
  commit({ tasks: new Set([ended(1, NOW - 1)]), chunks: chunksOf(1, 50) });
  const limits = { ...KEEP, endedBefore: NOW };
  for (let slice = 0; slice < 3; slice++) store.prune(limits);
  expect(store.chunks(1, 1, 0, 99, 99)).toEqual([]);
  const copy = join(testDirectory(), 'pool.db');
  for (const end of ['', '-wal']) copyFileSync(`${file}${end}`, `${copy}${end}`);
  expect(count(copy)).toBeGreaterThan(20);
  const next = openSqliteStore(copy);
  onTestFinished(() => next.close());
  while (next.prune(limits));
  expect(count(copy)).toBe(0);
});

it('chunks of an attempt that another one follows are void at once, and deleted in slices; newer ones stay', () => {
  const task = makeTask(1, { state: 'running', attempt: 1 });
  commit({ tasks: new Set([task]), chunks: chunksOf(1, 50) });
  commit({ dropChunks: [1] });
  commit({ chunks: [{ seq: 1, attempt: 2, chunk: 1, data: Uint8Array.of(7) }] });
  expect(store.chunks(1, 1, 0, 99, 99)).toEqual([]);
  expect(store.chunks(1, 2, 0, 99, 99)).toHaveLength(1);
  expect(Math.max(...pruneAll(KEEP))).toBeLessThanOrEqual(KEEP.rows);
  expect(store.chunks(1, 2, 0, 99, 99)).toHaveLength(1);
  expect(count()).toBe(2);
});

it('removes events by age and by number, a bounded number a slice', () => {
  repeat(40, (i) => commit({ events: [event(i + 1)] }, NOW + i + 1));
  expect(pruneAll({ ...KEEP, eventsBefore: NOW + 6 })).toEqual([5]);
  expect(pruneAll({ ...KEEP, maxEvents: 20 })).toEqual([10, 5]);
  expect(pruneAll({ ...KEEP, eventsBefore: NOW + 100, rows: 100 })).toEqual([20]);
  expect(store.load().lastEvent).toBe(40);
});

it('keeps a task for as long as an event about it', () => {
  const task = ended(1, NOW - 1);
  commit({ tasks: new Set([task]), events: [event(1)] }, NOW - 2);
  commit({ events: [event(2), event(3, { type: 'task.ended', task: 1 })] }, NOW - 1);
  store.prune({ ...KEEP, endedBefore: NOW, eventsBefore: NOW, rows: 1 });
  expect(store.fetch([task.id])).toHaveLength(1);
  pruneAll({ ...KEEP, endedBefore: NOW, eventsBefore: NOW, rows: 1 });
  expect(count()).toBe(0);
});

it('never lets numbers start over, even when everything is gone before a restart', () => {
  commit({
    newLanes: [theLane(1), theLane(2)],
    tasks: new Set([ended(7, NOW)]),
    events: [event(1), event(2)],
  });
  restart();
  pruneAll({ ...KEEP, endedBefore: NOW + 1, eventsBefore: NOW + 1 });
  commit({ droppedLanes: [1, 2] });
  restart();
  expect(store.load()).toMatchObject({ nextSeq: 8, nextLane: 3, lastEvent: 2 });
});
