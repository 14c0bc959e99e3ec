/** The admin actions of the SDK: on workers, tokens and tasks. */
import type { Action } from '@rma/protocol/action';
import type { ReplyTo } from '@rma/protocol/reply';
import type { TokenView, WorkerView } from '@rma/protocol/view';
import type { NewToken } from './client-options.js';
import { PoolQueries } from './pool-queries.js';

/** What a {@link Client} with an admin token may do. */
export abstract class Administration extends PoolQueries {
  /** Submits an ended task once more, as a new task of the same owner, whose id it resolves to. Admins only. */
  async retryTask(id: string): Promise<string> {
    return (await this.act({ do: 'task.retry', task: id })).task;
  }

  /** Gives a worker another name. Admins only. */
  renameWorker(id: string, name: string): Promise<WorkerView> {
    return this.act({ do: 'worker.rename', worker: id, name });
  }

  /** Replaces a worker's labels. Admins only. */
  labelWorker(id: string, labels: Record<string, string>): Promise<WorkerView> {
    return this.act({ do: 'worker.label', worker: id, labels });
  }

  /** Pins a worker's tier, or (null) lets its hardware decide again. Admins only. */
  pinWorker(id: string, tier: 1 | 2 | 3 | null): Promise<WorkerView> {
    return this.act({ do: 'worker.pin', worker: id, tier });
  }

  /**
   * Drains a worker: it gets no more tasks, or (false) gets tasks again. What runs goes on; with `requeue` it is stopped and
   * requeued. Admins only.
   */
  drainWorker(id: string, draining = true, { requeue = false } = {}): Promise<WorkerView> {
    return this.act({ do: 'worker.drain', worker: id, draining, ...(requeue ? { requeue } : {}) });
  }

  /** Revokes a worker's credential for good and closes its connection. Admins only. */
  revokeWorker(id: string): Promise<WorkerView> {
    return this.act({ do: 'worker.revoke', worker: id });
  }

  /** Creates a token. The reply is the only place where its secret appears. Admins only. */
  createToken(token: NewToken): Promise<{ token: string; view: TokenView }> {
    return this.act({ do: 'token.create', ...token });
  }

  /** Ends a token, and the connections that use it. Admins only. */
  revokeToken(id: string): Promise<TokenView> {
    return this.act({ do: 'token.revoke', token: id });
  }

  protected act<A extends Action>(action: A): Promise<ReplyTo<{ type: 'act'; action: A }>> {
    return this.ask({ type: 'act', action });
  }
}
