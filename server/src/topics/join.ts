/** The topic `join`: whether a join token is valid, and which workers joined with it. For admins and the token's holder. */
import type { JoinInfo, WorkerView } from '@rma/protocol/view';
import type { State } from '../core/state.js';
import type { TokenRecord } from '../core/token.js';
import { viewWorker } from '../core/view.js';
import type { Commit, Topic, TopicMessage } from './topic.js';

/** The newest workers of a token. */
const MAX_WORKERS = 100;

export interface JoinChange {
  readonly info: JoinInfo;
  readonly workers: Map<string, WorkerView>;
}

/** The token's state in words for people without an account. */
export function joinInfoOf(token: TokenRecord, pool: string, wallMs: number): JoinInfo {
  const reason = token.revokedAt
    ? 'the token was revoked; ask the admin of the pool for a new one'
    : token.expiresAt && token.expiresAt <= wallMs
      ? 'the token has expired; ask the admin of the pool for a new one'
      : token.usesLeft === 0
        ? 'the token is used up: a machine joined with it already; ask the admin of the pool for a new one'
        : undefined;
  return {
    pool,
    token: token.id,
    name: token.name,
    owner: token.owner,
    trust: token.trust,
    valid: reason === undefined,
    ...(reason === undefined ? {} : { reason }),
    ...(token.usesLeft >= 0 ? { usesLeft: token.usesLeft } : {}),
    ...(token.expiresAt ? { expiresAt: token.expiresAt } : {}),
  };
}

export class JoinTopic implements Topic<JoinChange> {
  readonly key: string;
  readonly #token: string;
  readonly #pool: string;
  #changed = new Set<string>();
  #sentValid: boolean | undefined;
  #tokenChanged = false;

  constructor(token: string, pool: string) {
    this.key = `join ${token}`;
    this.#token = token;
    this.#pool = pool;
  }

  observe({ effects }: Commit): void {
    for (const { record } of effects.workers) if (record.joinToken === this.#token) this.#changed.add(record.id);
    for (const { id } of effects.persist.tokens) if (id === this.#token) this.#tokenChanged = true;
  }

  snapshot(state: State, wallMs: number): TopicMessage[] {
    const token = state.tokens.get(this.#token);
    if (!token) return [];
    const info = joinInfoOf(token, this.#pool, wallMs);
    this.#sentValid ??= info.valid;
    const workers = [...state.workers.values()]
      .filter(({ record }) => record.joinToken === this.#token)
      .sort((a, b) => b.record.joinedAt - a.record.joinedAt)
      .slice(0, MAX_WORKERS)
      .map((worker) => viewWorker(worker, false, wallMs));
    return [{ type: 'join', key: this.key, snapshot: true, info, workers }];
  }

  takeChange(state: State, wallMs: number): JoinChange | undefined {
    const token = state.tokens.get(this.#token);
    if (!token) return undefined;
    const info = joinInfoOf(token, this.#pool, wallMs);
    // A token may also expire between commits.
    if (this.#changed.size === 0 && !this.#tokenChanged && info.valid === this.#sentValid) return undefined;
    const workers = new Map<string, WorkerView>();
    for (const id of this.#changed) {
      const worker = state.workers.get(id);
      if (worker) workers.set(id, viewWorker(worker, false, wallMs));
    }
    this.#changed = new Set();
    this.#tokenChanged = false;
    this.#sentValid = info.valid;
    return { info, workers };
  }

  merge(earlier: JoinChange, later: JoinChange): JoinChange {
    return { info: later.info, workers: new Map([...earlier.workers, ...later.workers]) };
  }

  messages({ info, workers }: JoinChange): TopicMessage[] {
    return [{ type: 'join', key: this.key, info, workers: [...workers.values()] }];
  }

  sizeOf({ workers }: JoinChange): number {
    return workers.size;
  }
}
