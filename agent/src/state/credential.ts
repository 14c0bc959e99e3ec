/**
 * The token that this agent presents to its coordinator: its worker's stored credential, which is never shown to another
 * coordinator than the one that issued it, else a join token.
 */
import { AgentFault } from '../fault.js';
import type { AgentLog } from '../log.js';
import type { StateDir } from './state-dir.js';

export interface CredentialOptions {
  /** The join token, if one was given. */
  readonly token: string | undefined;
  /** Which coordinator is dialled; see `CoordinatorAddress.identity`. */
  readonly url: string;
  readonly log: AgentLog;
}

export class Credential {
  readonly #state: StateDir;
  readonly #options: CredentialOptions;
  #usedStored = false;

  /** @throws AgentFault when there is no token for this coordinator */
  constructor(state: StateDir, options: CredentialOptions) {
    this.#state = state;
    this.#options = options;
    this.#check();
  }

  /** Whether the token presented last was the worker's own credential. */
  get usedStored(): boolean {
    return this.#usedStored;
  }

  /** The token to present now. */
  present(): string {
    const stored = this.#state.identity?.credential;
    this.#usedStored = stored !== undefined;
    return stored ?? this.#options.token ?? '';
  }

  /** Stores the credential that a first join returned. */
  joined({ id, name, credential }: { id: string; name: string; credential?: string | undefined }): void {
    if (credential === undefined) return;
    this.#state.saveIdentity({ id, credential, url: this.#options.url, name });
    this.#usedStored = true;
  }

  #check(): void {
    const { identity, path } = this.#state;
    const { token, url, log } = this.#options;
    if (identity === undefined) {
      if (token !== undefined && token !== '') return;
      throw new AgentFault(
        `no token: the first start needs a join token. Give --token-file FILE, --token TOKEN or RMA_TOKEN; the pool's admin has one (join.token in the coordinator's data directory).`,
      );
    }
    if (identity.url === url) return;
    if (token === undefined || token === '') {
      throw new AgentFault(
        `${path} belongs to ${identity.id} at ${identity.url}, not to ${url}. Give --url ${identity.url}, or another --state DIR, or --token to join the other pool from here; if the pool has moved, correct "url" in worker.json.`,
      );
    }
    const aside = this.#state.retireIdentity();
    log.warn(
      { worker: identity.id, file: aside },
      `this state directory belonged to ${identity.id} at ${identity.url}; joining ${url} with the given token instead. The old identity is kept in ${aside}`,
    );
  }
}
