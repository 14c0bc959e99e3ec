/** One coordinator per data directory: an exclusive SQLite lock on a file of its own, held until the process ends. */

import { readFileSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { errorMessage } from '@rma/protocol/error';
import { type Database, isSqliteError, openLock } from './sqlite.js';

export class DirectoryLocked extends Error {
  constructor(directory: string, holder: string) {
    super(
      `the data directory ${directory} is in use by ${holder}; stop that coordinator first, or choose another with --data`,
    );
    this.name = 'DirectoryLocked';
  }
}

/** Takes the lock; the operating system releases it, however the process ends. @throws DirectoryLocked */
export function lockDirectory(directory: string): { release(): void } {
  const holderFile = join(directory, 'lock.txt');
  const lock: Database = openLock(join(directory, 'lock.db'));
  try {
    lock.pragma('locking_mode = EXCLUSIVE');
    lock.pragma('journal_mode = MEMORY');
    lock.exec('BEGIN EXCLUSIVE');
  } catch (error) {
    lock.close();
    if (isSqliteError(error) && error.code.startsWith('SQLITE_BUSY')) {
      throw new DirectoryLocked(directory, readHolder(holderFile));
    }
    throw error;
  }
  writeFileSync(holderFile, `process ${process.pid} on ${hostname()}, since ${new Date().toISOString()}\n`);
  return { release: () => lock.close() };
}

function readHolder(file: string): string {
  try {
    return readFileSync(file, 'utf8').trim() || 'another process';
  } catch (error) {
    return `another process (${errorMessage(error)})`;
  }
}
