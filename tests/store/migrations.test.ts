/** What a start does with a database file: new, older, newer, empty, damaged, or no database. */
import { createHash } from 'node:crypto';
import { truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { MIGRATIONS } from '@rma/server/store/schema';
import { openDatabase } from '@rma/server/store/sqlite';
import { migrate, openSqliteStore } from '@rma/server/store/sqlite-store';
import { expect, it } from 'vitest';
import { makeTask, NOW, persistOf, tasksOf, testDirectory, theLane } from './records.js';

const newFile = () => join(testDirectory(), 'pool.db');

function atVersion(file: string, version: number): void {
  const database = openDatabase(file);
  for (const sql of MIGRATIONS.slice(0, version)) database.exec(sql);
  database.pragma(`user_version = ${version}`);
  database.close();
}

function schemaOf(file: string): unknown {
  const database = openDatabase(file);
  const schema = database.prepare('SELECT type, name, tbl_name, sql FROM sqlite_schema ORDER BY type, name').all();
  const version = database.pragma('user_version', { simple: true });
  database.close();
  return { schema, version };
}

/**
 * The SHA-256 of each migration. Databases in the field have run these texts: none may ever change, not even in a
 * comment. For another table or column append a migration, and its hash here.
 */
const FROZEN = [
  '116672ad0e5544f6fd0e369b0e3613bb21f8ba5dca1901b96f96af44f3f693c8',
  '215530d6737d5178ca79f52e24d47fad5b8e120494d25ab06a50395bf710cfe2',
  '59339dd634a5998d964fb4634594e31fe081b5b17f756b1916cb94d2177611e7',
  'e699ad40be1856cdff30ddb32f27928f8d9b607853bf996c197006b50d3046f4',
  '59299c81ce27155c45767a917a597598299914bcc0f11137c04e5a1b8d5171cc',
];

it('has the migrations that databases in the field have run, unchanged', () => {
  expect(MIGRATIONS.map((sql) => createHash('sha256').update(sql).digest('hex'))).toEqual(FROZEN);
});

it('makes a new file, and keeps what is in it over the next start', () => {
  const file = newFile();
  const store = openSqliteStore(file);
  expect(store.load()).toMatchObject({ workers: [], tokens: [], lanes: [], running: [], nextSeq: 1, lastEvent: 0 });
  store.commit(persistOf({ newLanes: [theLane()], tasks: new Set([makeTask(1)]) }), NOW);
  store.close();
  const again = openSqliteStore(file);
  expect(again.fetch([makeTask(1).id])).toHaveLength(1);
  expect(again.load().nextSeq).toBe(2);
  again.close();
});

it.each(MIGRATIONS.map((_, version) => version))(
  'brings a database of version %i to the schema of a new one',
  (version) => {
    const fresh = newFile();
    openSqliteStore(fresh).close();
    const old = newFile();
    atVersion(old, version);
    openSqliteStore(old).close();
    expect(schemaOf(old)).toEqual(schemaOf(fresh));
  },
);

it('treats an empty file as new: a start that was killed leaves one', () => {
  const file = newFile();
  writeFileSync(file, '');
  const store = openSqliteStore(file);
  expect(store.load().nextSeq).toBe(1);
  store.close();
});

it('refuses a newer database, names both versions, and leaves it as it is', () => {
  const file = newFile();
  atVersion(file, MIGRATIONS.length);
  const newer = openDatabase(file);
  newer.pragma(`user_version = ${MIGRATIONS.length + 3}`);
  newer.close();
  const before = schemaOf(file);
  const known = MIGRATIONS.length;
  expect(() => openSqliteStore(file)).toThrow(
    `version ${known + 3}, this coordinator knows up to ${known}: it was written by a newer one. Run that version, or restore a backup.`,
  );
  expect(schemaOf(file)).toEqual(before);
});

it.each([
  ['is no database', (file: string) => writeFileSync(file, 'This is a letter to my grandmother. '.repeat(400))],
  [
    'lost its end',
    (file: string) => {
      const store = openSqliteStore(file);
      store.commit(persistOf({ newLanes: [theLane()] }), NOW);
      for (let seq = 1; seq <= 200; seq++) store.commit(tasksOf(makeTask(seq, { input: new Uint8Array(2_000) })), NOW);
      store.close();
      truncateSync(file, 8_192);
    },
  ],
])('names a file that %s, and a remedy', (_what, damage) => {
  const file = newFile();
  damage(file);
  const open = () => {
    const store = openSqliteStore(file);
    store.load();
    store.close();
  };
  expect(open).toThrow(`${file} is damaged`);
  expect(open).toThrow('Move it aside and restore a backup, or start anew with another --data.');
});

it('leaves nothing of a migration that fails half-way', () => {
  const file = newFile();
  const database = openDatabase(file);
  database.exec('CREATE TABLE blob_refs (mine TEXT)');
  expect(() => migrate(database)).toThrow('blob_refs');
  expect(database.pragma('user_version', { simple: true })).toBe(0);
  expect(database.prepare("SELECT name FROM sqlite_schema WHERE type = 'table'").pluck().all()).toEqual(['blob_refs']);
  database.close();
});
