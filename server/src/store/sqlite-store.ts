/** The store on embedded SQLite: one connection, one writer, one transaction a turn. */
import type { Persist } from '../core/effects.js';
import { makeLane } from '../core/lane.js';
import type { Stored } from '../core/restore.js';
import type { Task } from '../core/task.js';
import { packEvents } from './event-log.js';
import {
  insertValues,
  isPlain,
  plainValues,
  STATE_CODE,
  type TaskRow,
  type TokenRow,
  taskFromRow,
  tokenFromRow,
  tokenValues,
  type WorkerRow,
  workerFromRow,
  workerValues,
} from './rows.js';
import { MIGRATIONS } from './schema.js';
import { type Database, isSqliteError, openDatabase, type Synchronous } from './sqlite.js';
import { type BlobRecord, StorageFull, type Store } from './store.js';

/** Brings a database to this version's schema. */
export function migrate(database: Database): void {
  const version = database.pragma('user_version', { simple: true }) as number;
  if (version > MIGRATIONS.length) {
    throw new Error(
      `the database is of version ${version}, this coordinator knows up to ${MIGRATIONS.length}: it was written by a newer one. Run that version, or restore a backup.`,
    );
  }
  database.transaction(() => {
    for (let next = version; next < MIGRATIONS.length; next++) database.exec(MIGRATIONS[next]!);
    database.pragma(`user_version = ${MIGRATIONS.length}`);
  })();
}

export function openSqliteStore(file: string, synchronous: Synchronous = 'FULL'): SqliteStore {
  let database: Database | undefined;
  try {
    database = openDatabase(file, synchronous);
    migrate(database);
    return new SqliteStore(database);
  } catch (error) {
    database?.close();
    if (isSqliteError(error) && (error.code === 'SQLITE_NOTADB' || error.code.startsWith('SQLITE_CORRUPT'))) {
      throw new Error(
        `${file} is damaged (${error.message}). Move it aside and restore a backup, or start anew with another --data.`,
      );
    }
    if (asStorageFull(error) instanceof StorageFull) {
      throw new Error(`${file}: the disk is full; make room on it and start again. What was accepted is still there.`);
    }
    throw error;
  }
}

export class SqliteStore implements Store {
  readonly #database: Database;
  readonly #statements: ReturnType<typeof prepare>;

  constructor(database: Database) {
    this.#database = database;
    this.#statements = prepare(database);
  }

  load(): Stored {
    const database = this.#database;
    const one = (sql: string) => database.prepare(sql).pluck().get() as number;
    const lanes = database.prepare('SELECT * FROM lanes').all() as {
      id: number;
      key: string;
      kind: string;
      constraints: string;
      owner: string;
      queued: number;
      open: number;
    }[];
    const running = (database.prepare('SELECT * FROM tasks WHERE state = 2 ORDER BY seq').all() as TaskRow[]).map(
      (row) => this.#read(row),
    );
    const counters = database.prepare('SELECT name, value FROM counters').all() as { name: string; value: number }[];
    return {
      workers: (database.prepare('SELECT * FROM workers').all() as WorkerRow[]).map(workerFromRow),
      tokens: (database.prepare('SELECT * FROM tokens').all() as TokenRow[]).map(tokenFromRow),
      kinds: database.prepare('SELECT kind, worker FROM kinds').all() as { kind: string; worker: string }[],
      lanes: lanes.map((row) => {
        const lane = makeLane(row.id, row.key, row.kind, JSON.parse(row.constraints), row.owner);
        lane.open = row.open;
        return { lane, queued: row.queued };
      }),
      running,
      owners: database.prepare('SELECT owner, open FROM owners').all() as { owner: string; open: number }[],
      ended: counters
        .filter(({ name }) => name.startsWith('ended.'))
        .map(({ name, value }) => ({ state: name.slice('ended.'.length), count: value })),
      scheduled: lanes.reduce((sum, lane) => sum + lane.open - lane.queued, 0) - running.length,
      nextSeq: Math.max(one('SELECT coalesce(max(seq), 0) FROM tasks'), counterOf(counters, 'seq')) + 1,
      newestId: (database.prepare('SELECT max(id) FROM tasks').pluck().get() as string | null) ?? '',
      nextLane: Math.max(one('SELECT coalesce(max(id), 0) FROM lanes'), counterOf(counters, 'lane')) + 1,
      lastEvent: Math.max(one('SELECT coalesce(max(last), 0) FROM events'), counterOf(counters, 'event')),
    };
  }

  fetch(ids: readonly string[]): Task[] {
    const found: Task[] = [];
    for (const id of ids) {
      const row = this.#statements.taskById.get(id) as TaskRow | undefined;
      if (row) found.push(this.#read(row));
    }
    return found;
  }

  /** With what is stored of its latest attempt's output: that attempt runs, or may come back with its worker. */
  #read(row: TaskRow): Task {
    const task = taskFromRow(row);
    if (task.attempt === 0 || task.endedAt !== 0) return task;
    const { last, bytes } = this.#statements.lastChunk.get(task.seq, task.attempt) as {
      last: number | null;
      bytes: number | null;
    };
    task.lastChunk = last ?? 0;
    task.chunkBytes = bytes ?? 0;
    return task;
  }

  claim(lane: number, after: { priority: number; seq: number } | null, tasks: number, bytes: number): Task[] {
    const claimed: Task[] = [];
    let size = 0;
    const rows = after
      ? this.#statements.claimAfter.iterate(lane, after.priority, after.priority, after.seq, tasks)
      : this.#statements.claimFirst.iterate(lane, tasks);
    for (const row of rows as IterableIterator<TaskRow>) {
      claimed.push(this.#read(row));
      size += row.input.length + 256;
      if (size >= bytes) break;
    }
    return claimed;
  }

  due(wallMs: number, limit: number): Task[] {
    return (this.#statements.due.all(wallMs, limit) as TaskRow[]).map((row) => this.#read(row));
  }

  commit(persist: Persist, wallMs: number): void {
    const { begin, commit, rollback } = this.#statements;
    try {
      begin.run();
      this.#write(persist, wallMs);
      commit.run();
    } catch (error) {
      if (this.#database.inTransaction) rollback.run();
      throw asStorageFull(error);
    }
    for (const task of persist.tasks) task.stored = { state: task.state, attempt: task.attempt };
  }

  #write(persist: Persist, wallMs: number): void {
    const s = this.#statements;
    for (const lane of persist.newLanes) {
      s.insertLane.run(lane.id, lane.key, lane.kind, JSON.stringify(lane.constraints), lane.owner);
    }
    for (const task of persist.tasks) this.#writeTask(task);
    for (const [lane, { queued, open }] of persist.laneDeltas) {
      if (queued !== 0 || open !== 0) expectOne(s.countLane.run(queued, open, lane), `lane ${lane}`);
    }
    for (const [owner, by] of persist.ownerDeltas) if (by !== 0) s.countOwner.run(owner, by);
    for (const [state, by] of persist.endedDeltas) s.count.run(`ended.${state}`, by);
    for (const a of persist.attempts) {
      s.insertAttempt.run(a.seq, a.attempt, a.worker, a.startedAt, a.endedAt, a.error.code, a.error.message);
    }
    for (const seq of persist.dropChunks) s.dropChunks.run(seq);
    for (const c of persist.chunks) s.insertChunk.run(c.seq, c.attempt, c.chunk, c.data);
    for (const record of persist.workers) s.upsertWorker.run(workerValues(record));
    for (const record of persist.tokens) s.upsertToken.run(tokenValues(record));
    for (const { kind, worker } of persist.kinds) s.insertKind.run(kind, worker);
    for (const worker of persist.dropKindsOf) s.dropKinds.run(worker);
    for (const { owner, blob, seq } of persist.blobRefs) s.insertBlobRef.run(owner, blob, seq);
    for (const lane of persist.droppedLanes) s.dropLane.run(lane);
    const { events } = persist;
    if (events.length > 0) {
      s.insertEvents.run(events[0]!.seq, events[events.length - 1]!.seq, wallMs, packEvents(events));
    }
  }

  #writeTask(task: Task): void {
    const s = this.#statements;
    const { stored } = task;
    if (!stored) {
      if (isPlain(task)) s.insertPlainTask.run(plainValues(task));
      else s.insertTask.run(insertValues(task));
      return;
    }
    if (stored.state === 'running' && task.state === 'succeeded' && task.outputBlobs === null) {
      const done = s.finishTask.run(task.endedAt, task.output, task.seq, stored.attempt);
      expectOne(done, `task ${task.id} (attempt ${stored.attempt} to succeeded)`);
      return;
    }
    const expected = [task.seq, STATE_CODE[stored.state], stored.attempt];
    const state = STATE_CODE[task.state];
    const done =
      task.endedAt === 0
        ? s.updateTask.run(
            state,
            task.attempt,
            task.failures,
            task.lost,
            task.worker,
            task.startedAt,
            task.dueAt || null,
            ...expected,
          )
        : s.endTask.run(
            state,
            task.attempt,
            task.failures,
            task.lost,
            task.worker,
            task.startedAt,
            task.endedAt,
            task.output,
            task.outputBlobs === null ? null : JSON.stringify(task.outputBlobs),
            task.error === null ? null : JSON.stringify(task.error),
            ...expected,
          );
    expectOne(done, `task ${task.id} (${stored.state}, attempt ${stored.attempt} to ${task.state})`);
  }

  chunks(
    seq: number,
    attempt: number,
    after: number,
    upTo: number,
    limit: number,
  ): { chunk: number; data: Uint8Array }[] {
    return this.#statements.chunks.all(seq, attempt, after, upTo, limit) as { chunk: number; data: Uint8Array }[];
  }

  addBlob({ owner, blob, size }: BlobRecord, wallMs: number): void {
    try {
      this.#statements.addBlob.run(owner, blob, size, wallMs);
    } catch (error) {
      throw asStorageFull(error);
    }
  }

  findBlob(owner: string, blob: string): { size: number } | undefined {
    return this.#statements.findBlob.get(owner, blob) as { size: number } | undefined;
  }

  dropBlobs(olderThan: number, limit: number): string[] {
    const s = this.#statements;
    return this.#database.transaction(() => {
      const rows = s.unusedBlobs.all(olderThan, limit) as { owner: string; blob: string }[];
      for (const { owner, blob } of rows) s.dropBlob.run(owner, blob);
      return [...new Set(rows.map(({ blob }) => blob))].filter((blob) => s.anyBlob.get(blob) === undefined);
    })();
  }

  prune(options: { endedBefore: number; eventsBefore: number; maxEvents: number; limit: number }): boolean {
    const s = this.#statements;
    return this.#database.transaction(() => {
      // First: numbers never start over, even when everything is gone.
      for (const name of ['seq', 'lane', 'event']) s.raise.run({ name });
      const seqs = s.endedTasks.all(options.endedBefore, options.limit) as number[];
      for (const seq of seqs) {
        s.dropChunks.run(seq);
        s.dropAttempts.run(seq);
        s.dropBlobRefs.run(seq);
        s.dropTask.run(seq);
      }
      const last = s.lastEvent.get() as number;
      const events = s.dropEvents.run(options.eventsBefore, last - options.maxEvents, options.limit).changes;
      return seqs.length >= options.limit || events >= options.limit;
    })();
  }

  close(): void {
    this.#database.close();
  }
}

function counterOf(counters: readonly { name: string; value: number }[], name: string): number {
  return counters.find((counter) => counter.name === name)?.value ?? 0;
}

function asStorageFull(error: unknown): unknown {
  const codes = ['SQLITE_FULL', 'SQLITE_IOERR_WRITE', 'SQLITE_IOERR_SHMSIZE'];
  return isSqliteError(error) && codes.includes(error.code) ? new StorageFull(error) : error;
}

/** An update that matches no row is a defect: memory and disk disagree. */
function expectOne(result: { changes: number }, what: string): void {
  if (result.changes !== 1) throw new Error(`invariant: the update of ${what} matched ${result.changes} rows`);
}

function prepare(db: Database) {
  const maxOf = `CASE :name WHEN 'seq' THEN (SELECT coalesce(max(seq), 0) FROM tasks)
    WHEN 'lane' THEN (SELECT coalesce(max(id), 0) FROM lanes) ELSE (SELECT coalesce(max(last), 0) FROM events) END`;
  const behind = 'lane = ? AND state = 1';
  return {
    begin: db.prepare('BEGIN IMMEDIATE'),
    commit: db.prepare('COMMIT'),
    rollback: db.prepare('ROLLBACK'),
    taskById: db.prepare('SELECT * FROM tasks WHERE id = ?'),
    claimFirst: db.prepare(`SELECT * FROM tasks WHERE ${behind} ORDER BY priority DESC, seq LIMIT ?`),
    claimAfter: db.prepare(
      `SELECT * FROM tasks WHERE ${behind} AND (priority < ? OR (priority = ? AND seq > ?)) ORDER BY priority DESC, seq LIMIT ?`,
    ),
    due: db.prepare('SELECT * FROM tasks WHERE due_at <= ? ORDER BY due_at LIMIT ?'),
    insertTask: db.prepare(`INSERT INTO tasks VALUES (${Array(21).fill('?').join()})`),
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
       :tier, :pinned_tier, :reasons, :hardware, :available, :instance, :last_seen_at, :draining, :revoked_at)`,
    ),
    upsertToken: db.prepare(
      `INSERT OR REPLACE INTO tokens VALUES (:id, :role, :name, :subject, :owner, :trust, :created_at, :expires_at,
       :uses_left, :revoked_at, :last_used_at)`,
    ),
    insertKind: db.prepare('INSERT OR IGNORE INTO kinds VALUES (?, ?)'),
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
