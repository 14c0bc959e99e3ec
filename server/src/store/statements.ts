/** Every statement of the store, prepared once. */
import type { Database, Statement } from './sqlite.js';

export type StatementName =
  | 'begin'
  | 'appendJournal'
  | 'readJournal'
  | 'anyJournal'
  | 'emptyJournal'
  | 'commit'
  | 'rollback'
  | 'taskById'
  | 'newestId'
  | 'stateOf'
  | 'anyLane'
  | 'claimFirst'
  | 'claimAfter'
  | 'due'
  | 'insertTask'
  | 'insertPlainTask'
  | 'finishTask'
  | 'updateTask'
  | 'endTask'
  | 'insertLane'
  | 'countLane'
  | 'dropLane'
  | 'countOwner'
  | 'count'
  | 'raise'
  | 'insertAttempt'
  | 'dropAttempts'
  | 'insertChunk'
  | 'lastChunk'
  | 'dropChunks'
  | 'chunks'
  | 'upsertWorker'
  | 'upsertToken'
  | 'insertKind'
  | 'bind'
  | 'unbind'
  | 'dropKinds'
  | 'insertEvents'
  | 'lastEvent'
  | 'dropEvents'
  | 'addBlob'
  | 'findBlob'
  | 'anyBlob'
  | 'unusedBlobs'
  | 'dropBlob'
  | 'insertBlobRef'
  | 'dropBlobRefs'
  | 'endedTasks'
  | 'dropTask';

export type Statements = Readonly<Record<StatementName, Statement>>;

export function prepareStatements(db: Database): Statements {
  const maxOf = `CASE :name WHEN 'seq' THEN (SELECT coalesce(max(seq), 0) FROM tasks)
    WHEN 'lane' THEN (SELECT coalesce(max(id), 0) FROM lanes) ELSE (SELECT coalesce(max(last), 0) FROM events) END`;
  const behind = 'lane = ? AND state = 1';
  return {
    begin: db.prepare('BEGIN IMMEDIATE'),
    appendJournal: db.prepare('INSERT INTO journal (operations) VALUES (?)'),
    readJournal: db.prepare('SELECT operations FROM journal ORDER BY n').pluck(),
    anyJournal: db.prepare('SELECT 1 FROM journal LIMIT 1').pluck(),
    emptyJournal: db.prepare('DELETE FROM journal'),
    commit: db.prepare('COMMIT'),
    rollback: db.prepare('ROLLBACK'),
    newestId: db.prepare('SELECT max(id) FROM tasks').pluck(),
    stateOf: db.prepare('SELECT state, attempt FROM tasks WHERE seq = ?'),
    anyLane: db.prepare('SELECT 1 FROM lanes WHERE id = ?').pluck(),
    taskById: db.prepare('SELECT * FROM tasks WHERE id = ?'),
    claimFirst: db.prepare(`SELECT * FROM tasks WHERE ${behind} ORDER BY priority DESC, seq LIMIT ?`),
    claimAfter: db.prepare(
      `SELECT * FROM tasks WHERE ${behind} AND (priority < ? OR (priority = ? AND seq > ?)) ORDER BY priority DESC, seq LIMIT ?`,
    ),
    due: db.prepare('SELECT * FROM tasks WHERE due_at <= ? ORDER BY due_at LIMIT ?'),
    insertTask: db.prepare(
      `INSERT INTO tasks (seq, id, owner, kind, lane, priority, state, attempt, failures, lost, worker, submitted_at,
       started_at, ended_at, due_at, options, blobs, output_blobs, error, input, output)
       VALUES (${Array(21).fill('?').join()})`,
    ),
    insertPlainTask: db.prepare(
      `INSERT INTO tasks (seq, id, owner, kind, lane, priority, state, attempt, failures, lost, worker, submitted_at,
       started_at, input) VALUES (?, ?, ?, ?, ?, ?, ?, ?, 0, 0, ?, ?, ?, ?)`,
    ),
    finishTask: db.prepare(
      'UPDATE tasks SET state = 3, ended_at = ?, output = ? WHERE seq = ? AND state = 2 AND attempt = ?',
    ),
    updateTask: db.prepare(
      `UPDATE tasks SET state = ?, attempt = ?, failures = ?, lost = ?, worker = ?, started_at = ?, due_at = ?
       WHERE seq = ? AND state = ? AND attempt = ?`,
    ),
    endTask: db.prepare(
      `UPDATE tasks SET state = ?, attempt = ?, failures = ?, lost = ?, worker = ?, started_at = ?, due_at = NULL,
       ended_at = ?, output = ?, output_blobs = ?, error = ? WHERE seq = ? AND state = ? AND attempt = ?`,
    ),
    insertLane: db.prepare('INSERT INTO lanes (id, key, kind, constraints, owner) VALUES (?, ?, ?, ?, ?)'),
    countLane: db.prepare('UPDATE lanes SET queued = queued + ?, open = open + ? WHERE id = ?'),
    dropLane: db.prepare('DELETE FROM lanes WHERE id = ? AND open = 0'),
    countOwner: db.prepare(
      'INSERT INTO owners VALUES (?, ?) ON CONFLICT (owner) DO UPDATE SET open = open + excluded.open',
    ),
    count: db.prepare(
      'INSERT INTO counters VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = value + excluded.value',
    ),
    raise: db.prepare(
      `INSERT INTO counters VALUES (:name, ${maxOf}) ON CONFLICT (name) DO UPDATE SET value = max(value, excluded.value)`,
    ),
    insertAttempt: db.prepare('INSERT OR REPLACE INTO attempts VALUES (?, ?, ?, ?, ?, ?, ?)'),
    dropAttempts: db.prepare('DELETE FROM attempts WHERE seq = ?'),
    insertChunk: db.prepare('INSERT INTO chunks VALUES (?, ?, ?, ?)'),
    lastChunk: db.prepare(
      'SELECT max(chunk) AS last, sum(length(data)) AS bytes FROM chunks WHERE seq = ? AND attempt = ?',
    ),
    dropChunks: db.prepare('DELETE FROM chunks WHERE seq = ?'),
    chunks: db.prepare(
      'SELECT chunk, data FROM chunks WHERE seq = ? AND attempt = ? AND chunk > ? AND chunk <= ? ORDER BY chunk LIMIT ?',
    ),
    upsertWorker: db.prepare(
      `INSERT OR REPLACE INTO workers VALUES (:id, :join_key, :join_token, :owner, :trust, :joined_at, :name, :labels,
       :given_name, :given_labels, :tier, :pinned_tier, :reasons, :hardware, :available, :instance, :last_seen_at, :draining, :revoked_at)`,
    ),
    upsertToken: db.prepare(
      `INSERT OR REPLACE INTO tokens VALUES (:id, :role, :name, :subject, :owner, :trust, :created_at, :expires_at,
       :uses_left, :revoked_at, :last_used_at)`,
    ),
    insertKind: db.prepare('INSERT OR IGNORE INTO kinds VALUES (?, ?)'),
    bind: db.prepare('INSERT OR REPLACE INTO bindings VALUES (?, ?, ?, ?)'),
    unbind: db.prepare('DELETE FROM bindings WHERE workload = ?'),
    dropKinds: db.prepare('DELETE FROM kinds WHERE worker = ?'),
    insertEvents: db.prepare('INSERT INTO events VALUES (?, ?, ?, ?)'),
    lastEvent: db.prepare('SELECT coalesce(max(last), 0) FROM events').pluck(),
    dropEvents: db.prepare(
      'DELETE FROM events WHERE first IN (SELECT first FROM events WHERE at < ? OR last <= ? ORDER BY first LIMIT ?)',
    ),
    addBlob: db.prepare('INSERT OR IGNORE INTO blobs VALUES (?, ?, ?, ?)'),
    findBlob: db.prepare('SELECT size FROM blobs WHERE owner = ? AND blob = ?'),
    anyBlob: db.prepare('SELECT 1 FROM blobs WHERE blob = ? LIMIT 1'),
    unusedBlobs: db.prepare(
      `SELECT owner, blob FROM blobs b WHERE held_since < ? AND NOT EXISTS
       (SELECT 1 FROM blob_refs r WHERE r.owner = b.owner AND r.blob = b.blob) LIMIT ?`,
    ),
    dropBlob: db.prepare('DELETE FROM blobs WHERE owner = ? AND blob = ?'),
    insertBlobRef: db.prepare('INSERT OR IGNORE INTO blob_refs VALUES (?, ?, ?)'),
    dropBlobRefs: db.prepare('DELETE FROM blob_refs WHERE seq = ?'),
    endedTasks: db.prepare('SELECT seq FROM tasks WHERE ended_at < ? ORDER BY ended_at LIMIT ?').pluck(),
    dropTask: db.prepare('DELETE FROM tasks WHERE seq = ?'),
  };
}
