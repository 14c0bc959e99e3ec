/** The queries of the SDK: each is answered once. Values that stay up to date are in live/. */
import { defined } from '@rma/protocol/defined';
import type { PoolEvent } from '@rma/protocol/event';
import type { Query } from '@rma/protocol/query';
import type { ReplyTo, Request } from '@rma/protocol/reply';
import type {
  AuditPage,
  CatalogView,
  EventPage,
  KindView,
  PlacementView,
  StatsView,
  TaskDetail,
  TaskInput,
  TaskView,
  TokenView,
  WorkerView,
} from '@rma/protocol/view';
import type { LogLine } from '@rma/protocol/worker';
import type { HistoryOptions, TaskFilter, WorkerLogOptions } from './client-options.js';

const EVENTS_PAGE = 1_000;

/** What a {@link Client} can query. */
export abstract class PoolQueries {
  /** The result of the coordinator's reply. Rejects with a `ProtocolError` where it refuses. */
  protected abstract ask<R extends Request>(request: R): Promise<ReplyTo<R>>;

  /** Tasks, newest first. */
  tasks({ state, states, kind, owner, worker, before, limit }: TaskFilter = {}): Promise<TaskView[]> {
    const filter = defined({ state, states: states && [...states], kind, owner, worker, before, limit });
    return this.query({ what: 'tasks', ...filter });
  }

  /** One task with its attempts, and why it waits. */
  task(id: string): Promise<TaskDetail> {
    return this.query({ what: 'task', task: id });
  }

  /** All workers, by id. */
  workers(): Promise<WorkerView[]> {
    return this.pages((after) => this.query({ what: 'workers', ...after }));
  }

  /** Where each workload of the catalogue runs, could run or cannot, and why. Admins only. */
  async placement(): Promise<PlacementView> {
    let workloads: PlacementView['workloads'] = [];
    const workers = await this.pages(
      async (after) => {
        const page = await this.query({ what: 'placement', ...after });
        workloads = page.workloads;
        return page.workers;
      },
      ({ worker }) => worker,
    );
    return { workloads, workers };
  }

  /** The catalogue that is in force. */
  catalog(): Promise<CatalogView> {
    return this.query({ what: 'catalog' });
  }

  /**
   * The newest log lines of a worker's containers, the oldest first. They are requested from the worker: the pool stores
   * none. Admins only.
   */
  workerLog(id: string, { service, lines, since }: WorkerLogOptions = {}): Promise<LogLine[]> {
    return this.query({ what: 'log', worker: id, ...defined({ service, lines, since }) });
  }

  /** All kinds that the pool knows, by name, with the figures of the whole pool. */
  kinds(): Promise<KindView[]> {
    return this.pages(
      (after) => this.query({ what: 'kinds', ...after }),
      ({ kind }) => kind,
    );
  }

  stats(): Promise<StatsView> {
    return this.query({ what: 'stats' });
  }

  /** Events of the past, the newest first; `before` of one page is where the next begins. */
  history({ before, types, subject, limit }: HistoryOptions = {}): Promise<EventPage> {
    return this.query({ what: 'history', ...defined({ before, types: types && [...types], subject, limit }) });
  }

  /** Who did what, from where, when: the newest first. Admins only. */
  audit({ before, limit }: { before?: number | undefined; limit?: number | undefined } = {}): Promise<AuditPage> {
    return this.query({ what: 'audit', ...defined({ before, limit }) });
  }

  /** What a task was submitted with. Its owner's and admins' only. */
  taskInput(id: string): Promise<TaskInput> {
    return this.query({ what: 'input', task: id });
  }

  /** Admins only. */
  tokens(): Promise<TokenView[]> {
    return this.pages((after) => this.query({ what: 'tokens', ...after }));
  }

  protected query<Q extends Query>(query: Q): Promise<ReplyTo<{ type: 'query'; query: Q }>> {
    return this.ask({ type: 'query', query });
  }

  /**
   * All pages of a list: each continues behind the last id of the one before. The end is a page without a new id: an
   * empty one, or the full list again from a coordinator that predates paging.
   */
  protected async pages<View>(
    page: (from: { after?: string }) => Promise<View[]>,
    idOf: (view: View) => string = (view) => (view as { id: string }).id,
  ): Promise<View[]> {
    const all = new Map<string, View>();
    for (let after: string | undefined; ; ) {
      const before = all.size;
      for (const view of await page(after === undefined ? {} : { after })) {
        after = idOf(view);
        all.set(after, view);
      }
      if (all.size === before) return [...all.values()];
    }
  }

  protected async *storedEvents(since: number): AsyncGenerator<PoolEvent, void, undefined> {
    for (let last = since; ; ) {
      const page = await this.query({ what: 'events', since: last, limit: EVENTS_PAGE });
      yield* page.events;
      // `last` is how far the coordinator read: a page without an event that this client may see need not be the end.
      if (page.last <= last) return;
      last = page.last;
    }
  }
}
