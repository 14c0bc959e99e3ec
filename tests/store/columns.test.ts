/** Columns are declared once: what the code writes and reads is what the migrations make. */
import { defineTable, json, plain } from '@rma/server/store/columns';
import { BINDINGS, TOKENS, WORKERS } from '@rma/server/store/rows';
import { openDatabase } from '@rma/server/store/sqlite';
import { migrate } from '@rma/server/store/sqlite-store';
import { TASK_COLUMNS } from '@rma/server/store/task-row';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

let database: ReturnType<typeof openDatabase>;
beforeAll(() => {
  database = openDatabase(':memory:');
  migrate(database);
});
afterAll(() => void database.close());

const columnsOf = (table: string) => database.prepare('SELECT name FROM pragma_table_info(?)').pluck().all(table);

it.each([WORKERS, TOKENS, BINDINGS])('the table $name has the columns of its record', ({ name, complete }) => {
  expect(columnsOf(name).toSorted()).toEqual(Object.keys(complete({})).toSorted());
});

it.each([WORKERS, TOKENS, BINDINGS])(
  'a journalled row of $name gets what the migrations give a stored one',
  (table) => {
    const added = database
      .prepare<[string], { name: string; default: string }>(
        'SELECT name, dflt_value AS "default" FROM pragma_table_info(?) WHERE dflt_value IS NOT NULL',
      )
      .all(table.name);
    const row = table.complete({});
    for (const column of added) {
      expect(row[column.name], column.name).toBe(database.prepare(`SELECT ${column.default}`).pluck().get());
    }
  },
);

it('the table of tasks has its columns, in the order in which the journal keeps them', () => {
  expect(columnsOf('tasks')).toEqual(TASK_COLUMNS);
});

describe('a table of records', () => {
  interface Shelf {
    readonly id: string;
    readonly bookTitles: readonly string[];
    readonly floor: number | null;
  }
  const shelves = defineTable<Shelf>('shelves', {
    id: plain(),
    bookTitles: json(),
    floor: { ...plain<number | null>(), absent: 3 },
  });

  it('reads what it wrote', () => {
    const shelf: Shelf = { id: 's', bookTitles: ['a', 'b'], floor: null };
    expect(shelves.encode(shelf)).toEqual({ id: 's', book_titles: '["a","b"]', floor: null });
    expect(shelves.decode(shelves.encode(shelf))).toEqual(shelf);
  });

  it('completes a row that was journalled before a column existed, and leaves a whole one alone', () => {
    expect(shelves.complete({ id: 's', book_titles: '[]' })).toEqual({ id: 's', book_titles: '[]', floor: 3 });
    expect(shelves.complete({ id: 's', book_titles: '[]', floor: null }).floor).toBeNull();
  });
});
