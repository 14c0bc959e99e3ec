/** Every statement of the store's writer, prepared once. The journal names some of them: see operations.ts. */
import { RECORD_FIELDS, recordTable, type UpsertName } from './rows.js';
import type { Database, Statement } from './sqlite.js';
import { TASK_COLUMNS } from './task-row.js';

/** The highest number that is still in a table, by the name of its counter. */
const maxOf = `CASE :name WHEN 'seq' THEN (SELECT coalesce(max(seq), 0) FROM tasks)
  WHEN 'lane' THEN (SELECT coalesce(max(id), 0) FROM lanes) ELSE (SELECT coalesce(max(last), 0) FROM events) END`;
const queuedIn = 'lane = ? AND state = 1';

/** `pluck`: answers the first column's value instead of a row. */
const SQL = {
  begin: 'BEGIN IMMEDIATE',
  appendJournal: 'INSERT INTO journal (operations) VALUES (?)',
  readJournal: { pluck: 'SELECT operations FROM journal ORDER BY n' },
  anyJournal: { pluck: 'SELECT 1 FROM journal LIMIT 1' },
  emptyJournal: 'DELETE FROM journal',
  commit: 'COMMIT',
  rollback: 'ROLLBACK',
  newestId: { pluck: 'SELECT max(id) FROM tasks' },
  stateOf: 'SELECT state, attempt FROM tasks WHERE seq = ?',
  anyLane: { pluck: 'SELECT 1 FROM lanes WHERE id = ?' },
  taskById: 'SELECT * FROM tasks WHERE id = ?',
  claimFirst: `SELECT * FROM tasks WHERE ${queuedIn} ORDER BY priority DESC, seq LIMIT ?`,
  claimAfter: `SELECT * FROM tasks WHERE ${queuedIn} AND (priority < ? OR (priority = ? AND seq > ?)) ORDER BY priority DESC, seq LIMIT ?`,
  due: 'SELECT * FROM tasks WHERE due_at <= ? ORDER BY due_at LIMIT ?',
  insertTask: `INSERT INTO tasks (${TASK_COLUMNS.join(', ')}) VALUES (${TASK_COLUMNS.map(() => '?').join()})`,
  insertPlainTask: `INSERT INTO tasks (seq, id, owner, kind, lane, priority, state, attempt, failures, lost, worker, submitted_at,
       started_at, input) VALUES (?, ?, ?, ?, ?, ?, ?, ?, 0, 0, ?, ?, ?, ?)`,
  finishTask: 'UPDATE tasks SET state = 3, ended_at = ?, output = ? WHERE seq = ? AND state = 2 AND attempt = ?',
  updateTask: `UPDATE tasks SET state = ?, attempt = ?, failures = ?, lost = ?, worker = ?, started_at = ?, due_at = ?
       WHERE seq = ? AND state = ? AND attempt = ?`,
  endTask: `UPDATE tasks SET state = ?, attempt = ?, failures = ?, lost = ?, worker = ?, started_at = ?, due_at = NULL,
       ended_at = ?, output = ?, output_blobs = ?, error = ? WHERE seq = ? AND state = ? AND attempt = ?`,
  insertLane: 'INSERT INTO lanes (id, key, kind, constraints, owner) VALUES (?, ?, ?, ?, ?)',
  countLane: 'UPDATE lanes SET queued = queued + ?, open = open + ? WHERE id = ?',
  dropLane: 'DELETE FROM lanes WHERE id = ? AND open = 0',
  countOwner: 'INSERT INTO owners VALUES (?, ?) ON CONFLICT (owner) DO UPDATE SET open = open + excluded.open',
  count: 'INSERT INTO counters VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = value + excluded.value',
  raise: `INSERT INTO counters VALUES (:name, ${maxOf}) ON CONFLICT (name) DO UPDATE SET value = max(value, excluded.value)`,
  // A task may be pruned before the last of its attempts is known to be over: then there is nothing to write.
  insertAttempt: `INSERT OR REPLACE INTO attempts SELECT * FROM (SELECT ? AS seq, ? AS attempt, ? AS worker, ? AS started_at,
       ? AS ended_at, ? AS code, ? AS message, ? AS service, ? AS state) a WHERE EXISTS (SELECT 1 FROM tasks t WHERE t.seq = a.seq)`,
  dropAttempt: 'DELETE FROM attempts WHERE seq = ? AND attempt = ?',
  triedOn: {
    pluck: `SELECT worker FROM attempts WHERE seq = ? AND ended_at > 0 AND code <> 'cancelled' ORDER BY attempt DESC LIMIT 64`,
  },
  lastingAttempts: `SELECT a.*, t.id AS task, t.kind FROM attempts a JOIN tasks t ON t.seq = a.seq WHERE a.state > 0`,
  dropAttempts: 'DELETE FROM attempts WHERE seq = ?',
  insertChunk: 'INSERT INTO chunks VALUES (?, ?, ?, ?)',
  lastChunk: 'SELECT max(chunk) AS last, sum(length(data)) AS bytes FROM chunks WHERE seq = ? AND attempt = ?',
  dropChunks: 'DELETE FROM chunks WHERE seq = ?',
  chunks:
    'SELECT chunk, data FROM chunks WHERE seq = ? AND attempt = ? AND chunk > ? AND chunk <= ? ORDER BY chunk LIMIT ?',
  ...upserts(),
  insertKind: 'INSERT OR IGNORE INTO kinds VALUES (?, ?)',
  bind: 'INSERT OR REPLACE INTO bindings VALUES (?, ?, ?, ?)',
  unbind: 'DELETE FROM bindings WHERE workload = ?',
  dropWorker: 'DELETE FROM workers WHERE id = ?',
  dropToken: 'DELETE FROM tokens WHERE id = ?',
  dropKinds: 'DELETE FROM kinds WHERE worker = ?',
  insertEvents: 'INSERT INTO events VALUES (?, ?, ?, ?)',
  lastEvent: { pluck: 'SELECT coalesce(max(last), 0) FROM events' },
  dropEvents:
    'DELETE FROM events WHERE first IN (SELECT first FROM events WHERE at < ? OR last <= ? ORDER BY first LIMIT ?)',
  addBlob: 'INSERT OR IGNORE INTO blobs VALUES (?, ?, ?, ?)',
  findBlob: 'SELECT size FROM blobs WHERE owner = ? AND blob = ?',
  anyBlob: 'SELECT 1 FROM blobs WHERE blob = ? LIMIT 1',
  unusedBlobs: `SELECT owner, blob FROM blobs b WHERE held_since < ? AND NOT EXISTS
       (SELECT 1 FROM blob_refs r WHERE r.owner = b.owner AND r.blob = b.blob) LIMIT ?`,
  dropBlob: 'DELETE FROM blobs WHERE owner = ? AND blob = ?',
  insertBlobRef: 'INSERT OR IGNORE INTO blob_refs VALUES (?, ?, ?)',
  dropBlobRefs: 'DELETE FROM blob_refs WHERE seq = ?',
  endedTasks: { pluck: 'SELECT seq FROM tasks WHERE ended_at < ? ORDER BY ended_at LIMIT ?' },
  dropTask: 'DELETE FROM tasks WHERE seq = ?',
} satisfies Record<string, string | { readonly pluck: string }>;

function upserts(): Record<UpsertName, string> {
  const tables = RECORD_FIELDS.map(recordTable);
  return Object.fromEntries(tables.map(({ upsert, table }) => [upsert, table.upsertSql])) as Record<UpsertName, string>;
}

export type StatementName = keyof typeof SQL;
export type Statements = Readonly<Record<StatementName, Statement>>;

export function prepareStatements(db: Database): Statements {
  const prepare = (sql: string | { readonly pluck: string }) =>
    typeof sql === 'string' ? db.prepare(sql) : db.prepare(sql.pluck).pluck();
  return Object.fromEntries(Object.entries(SQL).map(([name, sql]) => [name, prepare(sql)])) as Statements;
}
