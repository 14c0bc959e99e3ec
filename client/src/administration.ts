/** What an admin does to workers, tokens and tasks. */
import type { TokenView, WorkerView } from '@rma/protocol/view';
import type { NewToken } from './client-options.js';
import { PoolQueries } from './pool-queries.js';

/** What a {@link Client} with an admin token may do. */
export abstract class Administration extends PoolQueries {
  /** Submits an ended task once more, as a new task of the same owner, whose id it resolves to. Admins only. */
  async retryTask(id: string): Promise<string> {
    return (await this.act<{ task: string }>({ do: 'task.retry', task: id })).task;
  }

  /** Gives a worker another name. Admins only. */
  renameWorker(id: string, name: string): Promise<WorkerView> {
    return this.act<WorkerView>({ do: 'worker.rename', worker: id, name });
  }

  /** Replaces a worker's labels. Admins only. */
  labelWorker(id: string, labels: Record<string, string>): Promise<WorkerView> {
    return this.act<WorkerView>({ do: 'worker.label', worker: id, labels });
  }

  /** Pins a worker's tier, or (null) lets its hardware decide again. Admins only. */
  pinWorker(id: string, tier: 1 | 2 | 3 | null): Promise<WorkerView> {
    return this.act<WorkerView>({ do: 'worker.pin', worker: id, tier });
  }

  /**
   * Gives a worker no more tasks, or (false) gives it tasks again. What runs goes on; with `requeue` it is stopped and
   * given to others. Admins only.
   */
  drainWorker(id: string, draining = true, { requeue = false } = {}): Promise<WorkerView> {
    return this.act<WorkerView>({ do: 'worker.drain', worker: id, draining, ...(requeue ? { requeue } : {}) });
  }

  /** Revokes a worker for good and closes its connection. Admins only. */
  revokeWorker(id: string): Promise<WorkerView> {
    return this.act<WorkerView>({ do: 'worker.revoke', worker: id });
  }

  /** Makes a token. The coordinator shows it this once. Admins only. */
  createToken(token: NewToken): Promise<{ token: string; view: TokenView }> {
    return this.act<{ token: string; view: TokenView }>({ do: 'token.create', ...token });
  }

  /** Ends a token, and the connections that use it. Admins only. */
  revokeToken(id: string): Promise<TokenView> {
    return this.act<TokenView>({ do: 'token.revoke', token: id });
  }
}
