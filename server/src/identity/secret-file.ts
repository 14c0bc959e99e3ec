/** Files that only their owner may read. */
import { chmodSync, closeSync, fsyncSync, openSync, readFileSync, renameSync, writeSync } from 'node:fs';

/** Writes the whole file or nothing, with mode 0600. */
export function writeSecret(file: string, text: string): void {
  const temporary = `${file}.${process.pid}.tmp`;
  const descriptor = openSync(temporary, 'w', 0o600);
  try {
    writeSync(descriptor, `${text}\n`);
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
  chmodSync(temporary, 0o600);
  renameSync(temporary, file);
}

/** Brings a copy elsewhere up to date. @throws Error that names the place where it cannot be written */
export function copySecret(from: string, to: string): void {
  try {
    writeSecret(to, readFileSync(from, 'utf8').trim());
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new Error(`${from} cannot be copied to ${to}: ${why}. Its folder must exist and belong to this user.`);
  }
}
