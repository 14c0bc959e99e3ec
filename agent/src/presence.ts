/**
 * Whether the agent is on line, as a small file in its state directory, for whoever looks from outside: a container's
 * health check. Only a hint: a failure to write it disturbs nothing.
 */
import { renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

export interface PresenceLog {
  debug(fields: object, message: string): void;
}

export class Presence {
  readonly #path: string;
  readonly #log: PresenceLog;
  #told = '';

  constructor(directory: string, log: PresenceLog) {
    this.#path = join(directory, 'presence.json');
    this.#log = log;
    this.tell('offline', 'starting');
  }

  tell(state: 'online' | 'offline', why?: string): void {
    const said = `${state} ${why}`;
    if (said === this.#told) return;
    this.#told = said;
    // In one step: it may be read at any moment.
    this.#try(() => {
      writeFileSync(`${this.#path}.new`, `${JSON.stringify({ state, why, since: new Date().toISOString() })}\n`);
      renameSync(`${this.#path}.new`, this.#path);
    });
  }

  /** The agent has ended. */
  remove(): void {
    this.#try(() => rmSync(this.#path, { force: true }));
  }

  #try(act: () => void): void {
    try {
      act();
    } catch (error) {
      this.#log.debug({ err: error }, `${this.#path} cannot be written`);
    }
  }
}
