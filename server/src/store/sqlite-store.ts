/** The store on embedded SQLite: one connection, one writer, one commit a turn (see write-behind.ts). */

import type { AttemptState } from '../core/attempt.js';
import type { Persist } from '../core/effects.js';
import { makeLane } from '../core/lane.js';
import type { Stored } from '../core/restore.js';
import { MAX_TRIED, type Task } from '../core/task.js';
import type { TokenRecord } from '../core/token.js';
import { SqliteBlobs } from './blob-records.js';
import type { Row, Table } from './columns.js';
import { ATTEMPT_CODES } from './operations.js';
import { prune } from './pruning.js';
import { BINDINGS, RECORD_FIELDS, type RecordField, recordTable, TOKENS } from './rows.js';
import { MIGRATIONS } from './schema.js';
import { type Database, isSqliteError, openDatabase, type Synchronous } from './sqlite.js';
import { prepareStatements, type Statements } from './statements.js';
import { type PruneLimits, StorageFull, type Store } from './store.js';
import { type TaskRow, taskFromRow } from './task-row.js';
import { asStorageFull, WriteBehind } from './write-behind.js';

interface AttemptRow {
  readonly seq: number;
  readonly task: string;
  readonly kind: string;
  readonly attempt: number;
  readonly worker: string;
  readonly service: string;
  readonly started_at: number;
  readonly ended_at: number;
  readonly code: string;
  readonly message: string;
  readonly state: number;
}

/** Brings a database to this version's schema, in one transaction. @throws Error for a newer one */
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
  readonly blobs: SqliteBlobs;
  readonly #database: Database;
  readonly #statements: Statements;
  readonly #writeBehind: WriteBehind;

  constructor(database: Database) {
    this.#database = database;
    this.#statements = prepareStatements(database);
    this.#writeBehind = new WriteBehind(database, this.#statements);
    this.blobs = new SqliteBlobs(database, this.#statements, () => this.#writeBehind.settle());
  }

  load(): Stored {
    return this.#writeBehind.recover(() => this.#load());
  }

  /** The records of all tokens, without the rest of the state. */
  tokens(): TokenRecord[] {
    return this.#writeBehind.recover(() => this.#all(TOKENS));
  }

  #all<R>({ name, decode }: Table<R>): R[] {
    return (this.#database.prepare(`SELECT * FROM ${name}`).all() as Row[]).map((row) => decode(row));
  }

  #load(): Stored {
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
    const records = Object.fromEntries(
      RECORD_FIELDS.map((field) => [field, this.#all<unknown>(recordTable(field).table)]),
    ) as unknown as Pick<Stored, RecordField>;
    return {
      ...records,
      kinds: database.prepare('SELECT kind, worker FROM kinds').all() as { kind: string; worker: string }[],
      bindings: this.#all(BINDINGS),
      lanes: lanes.map((row) => {
        const lane = makeLane(row.id, row.key, row.kind, JSON.parse(row.constraints), row.owner);
        lane.open = row.open;
        return { lane, queued: row.queued };
      }),
      running,
      attempts: this.#loadAttempts(),
      owners: database.prepare('SELECT owner, open FROM owners').all() as { owner: string; open: number }[],
      ended: counters
        .filter(({ name }) => name.startsWith('ended.'))
        .map(({ name, value }) => ({ state: name.slice('ended.'.length), count: value })),
      scheduled: lanes.reduce((sum, lane) => sum + lane.open - lane.queued, 0) - running.length,
      nextSeq: Math.max(one('SELECT coalesce(max(seq), 0) FROM tasks'), counterOf(counters, 'seq')) + 1,
      newestId: (this.#statements.newestId.get() as string | null) ?? '',
      nextLane: Math.max(one('SELECT coalesce(max(id), 0) FROM lanes'), counterOf(counters, 'lane')) + 1,
      lastEvent: Math.max(this.#statements.lastEvent.get() as number, counterOf(counters, 'event')),
    };
  }

  #loadAttempts(): Stored['attempts'] {
    const rows = this.#statements.lastingAttempts.all() as AttemptRow[];
    return rows.map(({ started_at: startedAt, ended_at: endedAt, code, message, state, ...row }) => {
      const error = code === '' ? null : { code, message };
      return { ...row, startedAt, endedAt, error, state: ATTEMPT_CODES[state] as AttemptState };
    });
  }

  fetch(ids: readonly string[]): Task[] {
    return this.#writeBehind.read(() => {
      const found: Task[] = [];
      for (const id of ids) {
        const pending = this.#writeBehind.task(id);
        const row = pending ? undefined : (this.#statements.taskById.get(id) as TaskRow | undefined);
        if (pending) found.push(pending);
        else if (row) found.push(this.#read(row));
      }
      return found;
    });
  }

  /** With the position in its latest attempt's output: that attempt runs, or may return with its worker. */
  #read(row: TaskRow): Task {
    const task = taskFromRow(row);
    if (task.attempt === 0 || task.endedAt !== 0) return task;
    const tried = this.#statements.triedOn.all(task.seq) as string[];
    if (tried.length > 0) task.triedOn = [...new Set(tried)].slice(0, MAX_TRIED);
    const { last, bytes } = this.#statements.lastChunk.get(task.seq, task.attempt) as {
      last: number | null;
      bytes: number | null;
    };
    task.lastChunk = last ?? 0;
    task.chunkBytes = bytes ?? 0;
    return task;
  }

  claim(lane: number, after: { priority: number; seq: number } | null, tasks: number, bytes: number): Task[] {
    this.#writeBehind.settle();
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
    try {
      this.#writeBehind.settle();
    } catch (error) {
      // Tables that are behind the journal must not be trusted: what is due waits until there is room.
      if (error instanceof StorageFull) return [];
      throw error;
    }
    return (this.#statements.due.all(wallMs, limit) as TaskRow[]).map((row) => this.#read(row));
  }

  commit(persist: Persist, wallMs: number): void {
    this.#writeBehind.commit(persist, wallMs);
  }

  tryToWrite(): boolean {
    try {
      this.#writeBehind.tryToWrite();
      return true;
    } catch (error) {
      if (error instanceof StorageFull) return false;
      throw error;
    }
  }

  /** Brings the tables up to date, for a reader on another connection. @throws StorageFull */
  settle(): void {
    this.#writeBehind.settle();
  }

  chunks(
    seq: number,
    attempt: number,
    after: number,
    upTo: number,
    limit: number,
  ): { chunk: number; data: Uint8Array }[] {
    return this.#statements.chunks.all({ seq, attempt, after, upTo, limit }) as { chunk: number; data: Uint8Array }[];
  }

  findBlob(owner: string, blob: string): { size: number } | undefined {
    return this.blobs.findBlob(owner, blob);
  }

  /** What only the journal holds is pruned once the tables have it: nothing pending refers to a row that has ended. */
  prune(limits: PruneLimits): boolean {
    try {
      return prune(this.#database, this.#statements, limits);
    } catch (error) {
      throw asStorageFull(error);
    }
  }

  close(): void {
    try {
      this.#writeBehind.settle();
    } catch (error) {
      // The journal stays: the next start applies it.
      if (!(error instanceof StorageFull)) throw error;
    } finally {
      this.#database.close();
    }
  }
}

function counterOf(counters: readonly { name: string; value: number }[], name: string): number {
  return counters.find((counter) => counter.name === name)?.value ?? 0;
}
