/**
 * `presence.json` in the state directory: whether the agent is online, and why not. A container's health check reads it
 * (deploy/worker-health.mjs). Best effort: a failed write is logged and otherwise without effect.
 */
import { renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

export interface StatusFileLog {
  debug(fields: object, message: string): void;
}

export class StatusFile {
  readonly #path: string;
  readonly #log: StatusFileLog;
  #written = '';

  constructor(directory: string, log: StatusFileLog) {
    this.#path = join(directory, 'presence.json');
    this.#log = log;
    this.write('offline', 'starting');
  }

  write(state: 'online' | 'offline', why?: string): void {
    const status = `${state} ${why}`;
    if (status === this.#written) return;
    this.#written = status;
    // By rename, because it may be read at any moment.
    this.#try(() => {
      writeFileSync(`${this.#path}.new`, `${JSON.stringify({ state, why, since: new Date().toISOString() })}\n`);
      renameSync(`${this.#path}.new`, this.#path);
    });
  }

  /** The agent has ended. */
  remove(): void {
    this.#try(() => rmSync(this.#path, { force: true }));
  }

  #try(change: () => void): void {
    try {
      change();
    } catch (error) {
      this.#log.debug({ err: error }, `${this.#path} cannot be written`);
    }
  }
}
