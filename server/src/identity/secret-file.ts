/** Secret files: mode 0600, written atomically. */
import { chmodSync, closeSync, fsyncSync, openSync, readFileSync, renameSync, writeSync } from 'node:fs';
import { errorMessage } from '@rma/protocol/error';

/** Writes the whole file or nothing: temporary file, fsync, rename. */
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

/** Updates a copy of a secret file. @throws Error that names the target where it cannot be written */
export function copySecret(from: string, to: string): void {
  try {
    writeSecret(to, readFileSync(from, 'utf8').trim());
  } catch (error) {
    const why = errorMessage(error);
    throw new Error(`${from} cannot be copied to ${to}: ${why}. Its folder must exist and belong to this user.`);
  }
}
