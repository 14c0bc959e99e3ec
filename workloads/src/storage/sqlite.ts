/**
 * The one door to SQLite for workloads that keep data: better-sqlite3 with the sqlite-vec extension. Both are optional:
 * where one does not load, those workloads are unhealthy with `sqliteProblem` as the reason.
 */
import { createRequire } from 'node:module';
import type BetterSqlite3 from 'better-sqlite3';
import type * as SqliteVec from 'sqlite-vec';

export type Database = BetterSqlite3.Database;
export type Statement = BetterSqlite3.Statement;

const require = createRequire(import.meta.url);
/** Version 13 is prebuilt inside its package and needs Node 22; on Node 20 version 12 is compiled, where a compiler is. */
const library = Number.parseInt(process.versions.node, 10) >= 22 ? 'better-sqlite3' : 'better-sqlite3-node20';

/** Another handler process may be writing; a write takes milliseconds, the index of a large document seconds. */
const BUSY_MS = 15_000;

let problem: string | null | undefined;

/** Why no data can be kept on this machine, as a sentence that says what to do; undefined where it can. */
export function sqliteProblem(): string | undefined {
  if (problem === undefined) {
    try {
      open(':memory:').close();
      problem = null;
    } catch (error) {
      const why = error instanceof Error ? (error.message.split('\n')[0] ?? '') : String(error);
      problem = `SQLite (${library} and sqlite-vec) does not load on Node ${process.versions.node}, ${process.platform} ${process.arch}: ${why}. Run the agent with Node 22 or later, where it needs no compiler.`;
    }
  }
  return problem ?? undefined;
}

function open(file: string): Database {
  const Driver = require(library) as typeof BetterSqlite3;
  const vec = require('sqlite-vec') as typeof SqliteVec;
  const database = new Driver(file, { timeout: BUSY_MS });
  try {
    vec.load(database);
    return database;
  } catch (error) {
    database.close();
    throw error;
  }
}

/** Opens a file for reading and writing. What a commit returned from survives a power cut. */
export function openDatabase(file: string): Database {
  const database = open(file);
  // Takes effect in a new file only; pages that a deletion frees are then given back to the disk.
  database.pragma('auto_vacuum = INCREMENTAL');
  database.pragma('journal_mode = WAL');
  database.pragma('synchronous = FULL');
  database.pragma('foreign_keys = ON');
  database.pragma('secure_delete = FAST');
  return database;
}

/** SQLite's own code for an error, such as `SQLITE_FULL`; undefined where it is not SQLite's. */
export function sqliteCode(error: unknown): string | undefined {
  if (!(error instanceof Error) || !('code' in error) || typeof error.code !== 'string') return undefined;
  return error.code.startsWith('SQLITE_') ? error.code : undefined;
}
