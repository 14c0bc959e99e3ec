/** Every statement of the store's writer, prepared once. The journal names some of them: see operations.ts. */
import { RECORD_FIELDS, recordTable, type UpsertName } from './rows.js';
import type { Database, Statement } from './sqlite.js';
import { TASK_COLUMNS } from './task-row.js';

/** By the key, since `last` has no index and rows are in its order: a search instead of a scan of all events. */
export const LAST_EVENT = 'SELECT coalesce((SELECT last FROM events ORDER BY first DESC LIMIT 1), 0)';
/** Above every attempt's number. */
const ALL_ATTEMPTS = Number.MAX_SAFE_INTEGER;

/** The highest number that is still in a table, by the name of its counter. */
const maxOf = `CASE :name WHEN 'seq' THEN (SELECT coalesce(max(seq), 0) FROM tasks)
  WHEN 'lane' THEN (SELECT coalesce(max(id), 0) FROM lanes) ELSE (${LAST_EVENT}) END`;
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
  // Chunks can be many MiB: they are void at once, and deleted in slices (see pruning.ts).
  dropChunks: voidChunks('attempt + 1'),
  voidChunks: voidChunks(ALL_ATTEMPTS),
  nextVoid: 'SELECT seq, before FROM void_chunks LIMIT 1',
  chunksBefore: `SELECT attempt, chunk, length(data) AS bytes FROM chunks WHERE seq = ? AND attempt < ?
       ORDER BY attempt, chunk LIMIT ?`,
  dropChunk: 'DELETE FROM chunks WHERE seq = ? AND attempt = ? AND chunk = ?',
  dropVoid: 'DELETE FROM void_chunks WHERE seq = ?',
  chunks: `SELECT chunk, data FROM chunks WHERE seq = :seq AND attempt = :attempt AND chunk > :after AND chunk <= :upTo
       AND NOT EXISTS (SELECT 1 FROM void_chunks WHERE seq = :seq AND before > :attempt) ORDER BY chunk LIMIT :limit`,
  ...upserts(),
  insertKind: 'INSERT OR IGNORE INTO kinds VALUES (?, ?)',
  bind: 'INSERT OR REPLACE INTO bindings VALUES (?, ?, ?, ?)',
  unbind: 'DELETE FROM bindings WHERE workload = ?',
  dropWorker: 'DELETE FROM workers WHERE id = ?',
  dropToken: 'DELETE FROM tokens WHERE id = ?',
  dropKinds: 'DELETE FROM kinds WHERE worker = ?',
  insertEvents: 'INSERT INTO events VALUES (?, ?, ?, ?)',
  lastEvent: { pluck: LAST_EVENT },
  oldestEvents: 'SELECT first, last, at, length(events) AS bytes FROM events ORDER BY first LIMIT ?',
  dropEvents: 'DELETE FROM events WHERE first <= ?',
  addBlob: `INSERT INTO blobs (owner, blob, size, held_since, refs, uploader, attempt) VALUES (:owner, :blob, :size, :heldSince,
       (SELECT count(*) FROM blob_refs WHERE owner = :owner AND blob = :blob), :uploader, :attempt) ON CONFLICT DO NOTHING`,
  findBlob: 'SELECT size FROM blobs WHERE owner = ? AND blob = ?',
  anyBlob: 'SELECT 1 FROM blobs WHERE blob = ? LIMIT 1',
  // One that a task named before, and none names now, counts for who holds it from now on.
  holdBlob: `UPDATE blobs SET held_since = :heldSince, uploader = iif(refs = 0, :uploader, ''),
       attempt = iif(refs = 0, :attempt, '') WHERE owner = :owner AND blob = :blob AND held_since < :before`,
  renewBlobs: `UPDATE blobs SET held_since = :heldSince
       WHERE refs = 0 AND uploader <> '' AND uploader = :uploader AND held_since < :before`,
  unnamedOf: `SELECT count(*) AS blobs, coalesce(sum(size), 0) AS bytes FROM
       (SELECT size FROM blobs WHERE refs = 0 AND uploader <> '' AND uploader = ? LIMIT ?)`,
  unnamedFor: { pluck: `SELECT count(*) FROM blobs WHERE refs = 0 AND attempt <> '' AND attempt = ?` },
  unnamedBefore: 'SELECT owner, blob FROM blobs WHERE refs = 0 AND held_since < ? ORDER BY held_since LIMIT ?',
  dropBlob: 'DELETE FROM blobs WHERE owner = ? AND blob = ?',
  insertBlobRef: 'INSERT OR IGNORE INTO blob_refs VALUES (?, ?, ?)',
  dropBlobRefs: 'DELETE FROM blob_refs WHERE seq = ?',
  endedTasks: `SELECT seq, length(input) + coalesce(length(output), 0) AS bytes FROM tasks WHERE ended_at < ?
       ORDER BY ended_at LIMIT ?`,
  dropTask: 'DELETE FROM tasks WHERE seq = ?',
} satisfies Record<string, string | { readonly pluck: string }>;

/** Those of attempts before `before` are void; of a task without chunks nothing is. */
function voidChunks(before: string | number): string {
  return `INSERT INTO void_chunks SELECT seq, ${before} FROM chunks WHERE seq = ? ORDER BY attempt DESC LIMIT 1
       ON CONFLICT (seq) DO UPDATE SET before = max(before, excluded.before)`;
}

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
