/**
 * The only file that imports better-sqlite3: opens databases with the settings that the guarantees rest on. Version 13 of
 * the library crashes on Node 20, version 12 from Node 22 on: the version is chosen here.
 */
import { createRequire } from 'node:module';
import { errorMessage } from '@rma/protocol/error';
import type BetterSqlite3 from 'better-sqlite3';
import { memoryLimit } from './memory-limit.js';

export type Database = BetterSqlite3.Database;
export type Statement = BetterSqlite3.Statement;

const require = createRequire(import.meta.url);
const library = Number.parseInt(process.versions.node, 10) >= 22 ? 'better-sqlite3' : 'better-sqlite3-node20';

function loadDriver(): typeof BetterSqlite3 {
  try {
    return require(library) as typeof BetterSqlite3;
  } catch (error) {
    const why = errorMessage(error);
    throw new Error(
      `SQLite's driver (${library}) does not load on Node ${process.versions.node}: ${why}. Run \`npm start\` or \`npm test\` at the project's root: both build it.`,
    );
  }
}

/** Bytes of SQLite's page cache: a share of the memory, within bounds. */
const CACHES = {
  writer: { share: 1 / 32, least: 2 * 1_048_576, most: 64 * 1_048_576 },
  reader: { share: 1 / 128, least: 1_048_576, most: 16 * 1_048_576 },
};

/** For `PRAGMA cache_size`: 8 MiB and 2 MiB in a container of 256 MiB, 64 and 16 from 2 GiB on. */
export function cacheKiB(memoryBytes: number, of: keyof typeof CACHES): number {
  const { share, least, most } = CACHES[of];
  return Math.floor(Math.min(most, Math.max(least, memoryBytes * share)) / 1_024);
}

export type Synchronous = 'FULL' | 'NORMAL';

/** Opens for writing, in WAL mode. `FULL`: once a commit has returned, it survives a power cut. */
export function openDatabase(file: string, synchronous: Synchronous = 'FULL'): Database {
  const database = new (loadDriver())(file);
  database.pragma('journal_mode = WAL');
  database.pragma(`synchronous = ${synchronous}`);
  database.pragma('foreign_keys = OFF');
  database.pragma('busy_timeout = 2000');
  database.pragma(`cache_size = -${cacheKiB(memoryLimit(), 'writer')}`);
  database.pragma('temp_store = MEMORY');
  return database;
}

/** Opens an existing database for reading only. */
export function openReader(file: string): Database {
  const database = new (loadDriver())(file, { readonly: true, fileMustExist: true });
  database.pragma('busy_timeout = 1000');
  database.pragma(`cache_size = -${cacheKiB(memoryLimit(), 'reader')}`);
  return database;
}

/** Opens a database that is only there to be locked: a busy one fails at once. */
export function openLock(file: string): Database {
  return new (loadDriver())(file, { timeout: 0 });
}

export function isSqliteError(error: unknown): error is Error & { code: string } {
  return (
    error instanceof Error && 'code' in error && typeof error.code === 'string' && error.code.startsWith('SQLITE_')
  );
}
