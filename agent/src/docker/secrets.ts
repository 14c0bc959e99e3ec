/**
 * Secrets of services, such as a database's password: generated once and kept in `secrets.json` (mode 0600) of the state
 * directory for as long as the volumes that were initialised with them.
 */

import { randomBytes } from 'node:crypto';
import { closeSync, fsyncSync, openSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { errorMessage, hasErrorCode } from '@rma/protocol/error';

type Secrets = Record<string, Record<string, string>>;

export class SecretFile {
  readonly #path: string;

  constructor(stateDir: string) {
    this.#path = join(stateDir, 'secrets.json');
  }

  /**
   * The values of a container's secret variables; missing ones are generated and stored.
   * @throws Error when the file cannot be read or written
   */
  of(container: string, names: readonly string[]): Record<string, string> {
    if (names.length === 0) return {};
    const all = this.#read();
    const secrets = { ...all[container] };
    const missing = names.filter((name) => secrets[name] === undefined);
    for (const name of missing) secrets[name] = randomBytes(24).toString('base64url');
    if (missing.length > 0) this.#write({ ...all, [container]: secrets });
    return Object.fromEntries(names.map((name) => [name, secrets[name] ?? '']));
  }

  /** Deletes those of containers whose volumes are gone. */
  forget(containers: (container: string) => boolean): void {
    const all = this.#read();
    const kept = Object.fromEntries(Object.entries(all).filter(([container]) => !containers(container)));
    if (Object.keys(kept).length !== Object.keys(all).length) this.#write(kept);
  }

  #read(): Secrets {
    try {
      return JSON.parse(readFileSync(this.#path, 'utf8')) as Secrets;
    } catch (error) {
      if (hasErrorCode(error, 'ENOENT')) return {};
      throw new Error(
        `${this.#path} cannot be read (${errorMessage(error)}): the passwords of this worker's data volumes are in it`,
      );
    }
  }

  #write(secrets: Secrets): void {
    const fresh = `${this.#path}.new`;
    const fd = openSync(fresh, 'w', 0o600);
    try {
      writeFileSync(fd, `${JSON.stringify(secrets, null, 2)}\n`);
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
    renameSync(fresh, this.#path);
  }
}
