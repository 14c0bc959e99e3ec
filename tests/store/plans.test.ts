/** What the writer's statements visit: none reads a table that grows from one end to the other, at a start least of all. */
import { type Database, openDatabase } from '@rma/server/store/sqlite';
import { migrate, SqliteStore } from '@rma/server/store/sqlite-store';
import { expect, it, onTestFinished } from 'vitest';

/** Tables with a row for each task, commit or blob. */
const GROWING = ['tasks', 'attempts', 'chunks', 'void_chunks', 'events', 'blobs', 'blob_refs'];
/** Read in the order of their key, as far as the limit: every row that is visited is answered. */
const BOUNDED = [/FROM events ORDER BY first (DESC )?LIMIT/, /FROM void_chunks LIMIT 1/];

/** An extreme of a table's own key is one step; SQLite calls that of a column without an index a search as well. */
const KEYS: Record<string, string> = { tasks: 'seq', events: 'first' };
function isExtremeOfKey(sql: string, table: string): boolean {
  return new RegExp(`(min|max)\\(${KEYS[table]}\\)(, 0\\))? FROM ${table}`).test(sql);
}

/** Every statement that a store prepares, until its state is loaded and one slice of each kind was asked for. */
function statements(): { database: Database; texts: string[] } {
  const database = openDatabase(':memory:');
  migrate(database);
  const texts: string[] = [];
  const prepare = database.prepare.bind(database) as Database['prepare'];
  database.prepare = ((sql: string) => {
    texts.push(sql);
    return prepare(sql);
  }) as Database['prepare'];
  const store = new SqliteStore(database);
  onTestFinished(() => store.close());
  store.load();
  store.tokens();
  return { database, texts };
}

it('each finds its rows by a key or an index', () => {
  const { database, texts } = statements();
  expect(texts.length).toBeGreaterThan(40);
  // The index of running tasks holds no other.
  const scans = new RegExp(`SCAN (${GROWING.join('|')})\\b(?! USING INDEX tasks_running)`);
  const slow = texts.filter((sql) => {
    if (/^(BEGIN|COMMIT|ROLLBACK)/.test(sql) || BOUNDED.some((bounded) => bounded.test(sql))) return false;
    const plan = database.prepare(`EXPLAIN QUERY PLAN ${sql}`);
    const values = sql.match(/\?/g)?.map(() => 0) ?? [];
    const named = Object.fromEntries((sql.match(/:\w+/g) ?? []).map((name) => [name.slice(1), 0]));
    const steps = (values.length > 0 ? plan.all(...values) : plan.all(named)) as { detail: string }[];
    return steps.some(({ detail }) => {
      const [, searched = ''] = /^SEARCH (\w+)$/.exec(detail) ?? [];
      return scans.test(detail) || (GROWING.includes(searched) && !isExtremeOfKey(sql, searched));
    });
  });
  expect(slow).toEqual([]);
});
