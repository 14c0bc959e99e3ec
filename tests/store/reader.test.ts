/** Questions about the past: answered beside the writer, each within a second, whatever it asks. */
import { join } from 'node:path';
import { Reader, type Reads } from '@rma/server/store/reader';
import { openDatabase } from '@rma/server/store/sqlite';
import { openSqliteStore, type SqliteStore } from '@rma/server/store/sqlite-store';
import { StorageFull } from '@rma/server/store/store';
import { describe, expect, it, onTestFinished } from 'vitest';
import { event, makeTask, NOW, persistOf, tasksOf, testDirectory, theLane } from './records.js';

/** For a reader that settles nothing that could break an invariant. */
function raise(error: unknown): void {
  throw error;
}

function open(): { file: string; store: SqliteStore; reader: Reader } {
  const file = join(testDirectory(), 'pool.db');
  const store = openSqliteStore(file);
  const reader = new Reader(file, () => store.settle(), raise);
  onTestFinished(async () => {
    await reader.close();
    store.close();
  });
  return { file, store, reader };
}

describe('events', () => {
  /** Commits of three events each: 1 to 3, 4 to 6, … */
  function withEvents(commits: number) {
    const opened = open();
    for (let i = 0; i < commits; i++) {
      opened.store.commit(persistOf({ events: [1, 2, 3].map((n) => event(i * 3 + n)) }), NOW + i);
    }
    return opened;
  }
  const numbers = (page: { events: readonly { seq: number }[] }) => page.events.map(({ seq }) => seq);

  it('come in pages of any size, from any number, without a gap or a repetition', async () => {
    const { reader } = withEvents(5);
    for (const limit of [1, 2, 3, 4, 7, 100]) {
      const seen: number[] = [];
      for (let since = 0; ; ) {
        const page = await reader.as(1).events(since, limit);
        if (page.events.length === 0) break;
        expect(page.events.length).toBeLessThanOrEqual(limit);
        expect(page.last).toBe(page.events.at(-1)!.seq);
        seen.push(...numbers(page));
        since = page.last;
      }
      expect(seen).toEqual(Array.from({ length: 15 }, (_, i) => i + 1));
    }
    expect(numbers(await reader.as(1).events(4, 3))).toEqual([5, 6, 7]);
    expect(await reader.as(1).events(15, 3)).toEqual({ events: [], last: 15 });
  });

  it('carry what was written, with the time of their commit', async () => {
    const { reader } = withEvents(2);
    const { events } = await reader.as(1).events(4, 1);
    expect(events).toMatchObject([{ ...event(5), at: NOW + 1 }]);
  });

  it('go on behind what was removed', async () => {
    const { reader, store } = withEvents(5);
    store.settle();
    store.prune({ endedBefore: 0, eventsBefore: NOW + 2, maxEvents: 1_000, rows: 100, bytes: 1_000_000 });
    expect(numbers(await reader.as(1).events(0, 4))).toEqual([7, 8, 9, 10]);
    expect(numbers(await reader.as(1).events(8, 4))).toEqual([9, 10, 11, 12]);
    store.prune({ endedBefore: 0, eventsBefore: NOW + 9, maxEvents: 1_000, rows: 100, bytes: 1_000_000 });
    expect(await reader.as(1).events(3, 4)).toEqual({ events: [], last: 3 });
  });
});

it('tasks come newest first, filtered, in pages, without their payloads', async () => {
  const { store, reader } = open();
  const end = { state: 'succeeded', attempt: 1, worker: 'w-1', startedAt: NOW, endedAt: NOW + 1 } as const;
  const done = makeTask(4, { ...end, output: new Uint8Array(50) });
  const tasks = [makeTask(1), makeTask(2, { owner: 'bob' }), makeTask(3, { kind: 'ocr.read' }), done, makeTask(5)];
  store.commit(persistOf({ newLanes: [theLane()], tasks: new Set(tasks) }), NOW);
  const seqs = async (filter: Parameters<Reads['tasks']>[0]) =>
    (await reader.as(1).tasks(filter)).map(({ seq }) => seq);
  expect(await seqs({ limit: 10 })).toEqual([5, 4, 3, 2, 1]);
  expect(await seqs({ limit: 2, before: tasks[3]!.id })).toEqual([3, 2]);
  expect(await seqs({ limit: 10, owner: 'bob' })).toEqual([2]);
  expect(await seqs({ limit: 10, kind: 'ocr.read' })).toEqual([3]);
  expect(await seqs({ limit: 10, state: 'succeeded', owner: 'alice' })).toEqual([4]);
  expect((await reader.as(1).task(done.id))?.task).toMatchObject({ id: done.id, worker: 'w-1', outputBytes: 50 });
  expect(await reader.as(1).task(makeTask(9).id)).toBeNull();
  expect(Array.from((await reader.as(1).output(done.id)) ?? [])).toEqual(Array.from(done.output!));
});

it('sees at once what was committed', async () => {
  const { store, reader } = open();
  for (let seq = 1; seq <= 20; seq++) {
    store.commit(tasksOf(makeTask(seq)), NOW);
    expect((await reader.as(1).task(makeTask(seq).id))?.task.seq).toBe(seq);
  }
});

describe('among very many tasks', () => {
  /** 50,000 that succeeded, the oldest of which failed. */
  function withMany(deadlineMs?: number) {
    const file = join(testDirectory(), 'pool.db');
    openSqliteStore(file).close();
    const database = openDatabase(file);
    const columns = database
      .prepare('SELECT name, type, "notnull" AS needed FROM pragma_table_info(\'tasks\')')
      .all() as {
      name: string;
      type: string;
      needed: number;
    }[];
    const known: Record<string, string> = { seq: 'n', id: "'t' || n", state: 'iif(n = 1, 4, 3)', input: "x'c0'" };
    const values = columns.map(
      ({ name, type, needed }) => known[name] ?? (needed === 0 ? 'NULL' : type === 'TEXT' ? "'x'" : '0'),
    );
    database.exec(`WITH RECURSIVE many(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM many WHERE n < 50000)
      INSERT INTO tasks SELECT ${values} FROM many`);
    const reader = new Reader(file, () => undefined, raise, deadlineMs);
    onTestFinished(async () => {
      await reader.close();
      database.close();
    });
    return { reader, database };
  }

  it('finds the one that a filter leaves, however far back', async () => {
    const { reader } = withMany();
    const found = await reader.as(1).tasks({ limit: 5, state: 'failed' });
    expect(found.map(({ seq }) => seq)).toEqual([1]);
  });

  it('ends a request that takes too long, and its read transaction, and answers the next', async () => {
    const { reader, database } = withMany(0);
    await expect(reader.as(1).tasks({ limit: 5, state: 'failed' })).rejects.toMatchObject({
      kind: 'unavailable',
      message: expect.stringContaining('narrow it'),
    });
    await expect(reader.as(1).events(0, 1)).resolves.toEqual({ events: [], last: 0 });
    expect(await reader.as(1).tasks({ limit: 2 })).toHaveLength(2);
    expect(database.pragma('wal_checkpoint(TRUNCATE)')).toMatchObject([{ busy: 0 }]);
  });
});

it('rejects a request that fails with the reason, and answers the next', async () => {
  const { file, store, reader } = open();
  const database = openDatabase(file);
  database.exec('DROP TABLE attempts');
  database.close();
  store.commit(tasksOf(makeTask(1)), NOW);
  await expect(reader.as(1).task(makeTask(1).id)).rejects.toMatchObject({
    kind: 'unavailable',
    message: expect.stringContaining('no such table: attempts'),
  });
  expect(await reader.as(1).tasks({ limit: 9 })).toHaveLength(1);
});

it('rejects with the reason where there is no database', async () => {
  const reader = new Reader(join(testDirectory(), 'none.db'), () => undefined, raise);
  onTestFinished(() => reader.close());
  for (let i = 0; i < 2; i++) {
    await expect(reader.as(1).events(0, 1)).rejects.toMatchObject({
      kind: 'unavailable',
      message: expect.stringContaining('unable to open'),
    });
  }
});

it('rejects every waiting request when it is closed, and all later ones', async () => {
  const { reader } = open();
  const waiting = Array.from({ length: 20 }, () => reader.as(1).events(0, 1));
  const settled = Promise.allSettled(waiting);
  await reader.close();
  expect(new Set((await settled).map(({ status }) => status))).toEqual(new Set(['rejected']));
  await expect(reader.as(1).events(0, 1)).rejects.toThrow('the coordinator is stopping');
});

it('refuses more requests of one asker than it queues, and takes those of another', async () => {
  const { reader } = open();
  const greedy = Promise.allSettled(Array.from({ length: 300 }, () => reader.as('greedy').events(0, 1)));
  expect(await reader.as('other').events(0, 1)).toEqual({ events: [], last: 0 });
  const refused = (await greedy).filter(({ status }) => status === 'rejected') as PromiseRejectedResult[];
  // One is read, 256 wait.
  expect(refused).toHaveLength(300 - 257);
  expect(refused[0]?.reason).toMatchObject({ kind: 'unavailable' });
});

it.each([
  ['a full disk is told to who asks, and passes', new StorageFull(undefined), 0],
  ['a broken invariant ends the process: the tables must not be read as if nothing was', new Error('invariant: x'), 1],
])('where the tables cannot be brought up to date: %s', async (_what, error, fatals) => {
  const fatal: unknown[] = [];
  const settle = () => {
    throw error;
  };
  const reader = new Reader(join(testDirectory(), 'pool.db'), settle, (broken) => void fatal.push(broken));
  onTestFinished(() => reader.close());
  await expect(reader.as(1).task(makeTask(1).id)).rejects.toThrow(error.message);
  expect(fatal).toEqual(Array(fatals).fill(error));
});

it("answers in turn by asker: one's sixty go before another's first by one only", async () => {
  const { reader } = open();
  const order: string[] = [];
  const ask = (asker: string) =>
    reader
      .as(asker)
      .events(0, 1)
      .then(() => order.push(asker));
  await Promise.all([...Array.from({ length: 60 }, () => ask('greedy')), ask('admin'), ask('admin')]);
  // One was being read when the admin came.
  expect(order.indexOf('admin')).toBeLessThanOrEqual(2);
  expect(order.lastIndexOf('admin')).toBeLessThanOrEqual(4);
});

it('forgets what an asker that has gone was waiting for', async () => {
  const { reader } = open();
  const gone = Promise.allSettled(Array.from({ length: 50 }, () => reader.as('gone').events(0, 1)));
  const other = reader.as('other').events(0, 1);
  reader.drop('gone');
  const read = (await gone).filter(({ status }) => status === 'fulfilled');
  expect(read).toHaveLength(1);
  expect(await other).toEqual({ events: [], last: 0 });
});
