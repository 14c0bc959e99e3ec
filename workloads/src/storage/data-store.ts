/**
 * A workload's data on this machine: one SQLite file in the handler process's `RMA_DATA_DIR`. Opens it once, migrates its
 * tables, and turns SQLite's errors into failures with a remedy. Several processes may have it open: SQLite lets one write
 * at a time.
 */
import { chmodSync, mkdirSync, statfsSync } from 'node:fs';
import { join } from 'node:path';
import { DATA_DIR_VARIABLE } from '../host/environment.js';
import { TaskError } from '../runtime.js';
import { type Database, openDatabase, sqliteCode, sqliteProblem } from './sqlite.js';

/** Writes are refused while the disk has less free: SQLite's log and the donor's other programs need it. */
const RESERVE_MIB = 256;

/** What differs between two workloads' files. */
export interface DataStoreOptions {
  readonly workload: string;
  /** One step a version; a step that was released never changes. */
  readonly migrations: readonly string[];
}

/** One workload's file. */
export class DataStore {
  readonly #options: DataStoreOptions;
  #database: Database | undefined;
  #directory = '';

  constructor(options: DataStoreOptions) {
    this.#options = options;
  }

  /**
   * The open database.
   * @throws Error where SQLite does not load, the directory is missing, or a newer agent wrote the file
   */
  get database(): Database {
    this.#database ??= this.#open();
    return this.#database;
  }

  /** Reads in one snapshot. */
  read<T>(work: (database: Database) => T): T {
    return this.#explained(() => this.database.transaction(work).deferred(this.database));
  }

  /** Writes in one transaction, which is on disk when this returns; waits for another process's. */
  write<T>(work: (database: Database) => T): T {
    return this.#explained(() => this.database.transaction(work).immediate(this.database));
  }

  /** Call before work that ends in `write`. @throws TaskError where the disk is all but full */
  assertRoom(): void {
    const database = this.database;
    const { bavail, bsize } = statfsSync(this.#directory);
    const freeMiB = (bavail * bsize) / 2 ** 20;
    if (database.open && freeMiB < RESERVE_MIB) throw this.#full(`${Math.floor(freeMiB)} MiB are free`);
  }

  /** Gives pages that a deletion freed back to the disk. */
  shrink(): void {
    this.#explained(() => this.database.pragma('incremental_vacuum'));
  }

  close(): void {
    this.#database?.close();
    this.#database = undefined;
  }

  #open(): Database {
    const { workload, migrations } = this.#options;
    const problem = sqliteProblem();
    if (problem !== undefined) throw new Error(problem);
    const directory = process.env[DATA_DIR_VARIABLE];
    if (directory === undefined || directory === '')
      throw new Error(`${workload} was given no directory for its data.`);
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    this.#directory = directory;
    const file = join(directory, `${workload}.sqlite`);
    const database = openDatabase(file);
    try {
      if (process.platform !== 'win32') chmodSync(file, 0o600);
      migrate(database, migrations, file);
      return database;
    } catch (error) {
      database.close();
      throw error;
    }
  }

  #explained<T>(work: () => T): T {
    try {
      return work();
    } catch (error) {
      const code = sqliteCode(error);
      if (code === undefined || !(error instanceof Error)) throw error;
      if (code === 'SQLITE_FULL') throw this.#full('the disk is full');
      if (code.startsWith('SQLITE_BUSY')) {
        const message = `another task of ${this.#options.workload} kept the data locked. Try again.`;
        throw new TaskError('storage.busy', message, true);
      }
      if (code.startsWith('SQLITE_CORRUPT') || code === 'SQLITE_NOTADB') {
        const file = join(this.#directory, `${this.#options.workload}.sqlite`);
        const message = `the worker's file ${file} is damaged (${error.message}). Its owner has to restore it from a backup, or remove it; then ingest again.`;
        throw new TaskError('storage.damaged', message);
      }
      throw new TaskError('storage.error', `${this.#options.workload}: ${code}: ${error.message}`, true);
    }
  }

  #full(why: string): TaskError {
    const message = `no room for more data on this worker: ${why} in ${this.#directory}. Make room there, or delete collections.`;
    return new TaskError('storage.full', message, true);
  }
}

function migrate(database: Database, migrations: readonly string[], file: string): void {
  const step = database.transaction(() => {
    const version = Number(database.pragma('user_version', { simple: true }));
    if (version > migrations.length) {
      throw new Error(`${file} was written by a newer rma-worker (version ${version} of its tables). Update this one.`);
    }
    for (const migration of migrations.slice(version)) database.exec(migration);
    if (version < migrations.length) database.pragma(`user_version = ${migrations.length}`);
  });
  step.immediate();
}
