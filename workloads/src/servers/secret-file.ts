/** Files with passwords: mode 0600, written in one step, kept from one start to the next. */
import { randomBytes } from 'node:crypto';
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { hasErrorCode } from '@rma/protocol/error';

/** The secret in a file, made where there is none. */
export function secretIn(file: string): string {
  try {
    const secret = readFileSync(file, 'utf8').trim();
    if (/^[A-Za-z0-9_-]{32}$/.test(secret)) return secret;
  } catch (error) {
    if (!hasErrorCode(error, 'ENOENT')) throw error;
  }
  const secret = randomBytes(24).toString('base64url');
  writeSecretFile(file, `${secret}\n`);
  return secret;
}

export function writeSecretFile(file: string, text: string): void {
  writeFileSync(`${file}.new`, text, { mode: 0o600 });
  renameSync(`${file}.new`, file);
}
