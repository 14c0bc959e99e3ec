/** The queries of a client, each answered once. Live views are in live/. */
import type { PoolEvent } from '@rma/protocol/event';
import type { Action, Query } from '@rma/protocol/up';
import type {
  AuditPage,
  CatalogView,
  EventPage,
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
import type { Request } from './requests.js';

const EVENTS_PAGE = 1_000;

/** The queries of a {@link Client}. */
export abstract class PoolQueries {
  /** The answer of the coordinator. Rejects with a `ProtocolError` where it refuses. */
  protected abstract ask(request: Request): Promise<unknown>;

  /** Tasks, newest first. */
  async tasks({ state, states, kind, owner, worker, before, limit }: TaskFilter = {}): Promise<TaskView[]> {
    return this.query<TaskView[]>({
      what: 'tasks',
      ...(state === undefined ? {} : { state }),
      ...(states === undefined ? {} : { states: [...states] }),
      ...(kind === undefined ? {} : { kind }),
      ...(owner === undefined ? {} : { owner }),
      ...(worker === undefined ? {} : { worker }),
      ...(before === undefined ? {} : { before }),
      ...(limit === undefined ? {} : { limit }),
    });
  }

  /** One task with its attempts, and why it waits. */
  async task(id: string): Promise<TaskDetail> {
    return this.query<TaskDetail>({ what: 'task', task: id });
  }

  /** All workers, by id. */
  workers(): Promise<WorkerView[]> {
    return this.pages((after) => this.query<WorkerView[]>({ what: 'workers', ...after }));
  }

  /** Where each workload of the catalogue runs, could run or cannot, and why. Admins only. */
  async placement(): Promise<PlacementView> {
    let workloads: PlacementView['workloads'] = [];
    const workers = await this.pages(
      async (after) => {
        const page = await this.query<PlacementView>({ what: 'placement', ...after });
        workloads = page.workloads;
        return page.workers;
      },
      ({ worker }) => worker,
    );
    return { workloads, workers };
  }

  /** The catalogue that is in force. */
  catalog(): Promise<CatalogView> {
    return this.query<CatalogView>({ what: 'catalog' });
  }

  /**
   * The last lines that a worker's containers wrote, the oldest first. Nothing of it is stored in the pool: the worker is
   * asked. Admins only.
   */
  async workerLog(id: string, options: WorkerLogOptions = {}): Promise<LogLine[]> {
    const { service, lines, since } = options;
    return this.query<LogLine[]>({
      what: 'log',
      worker: id,
      ...(service === undefined ? {} : { service }),
      ...(lines === undefined ? {} : { lines }),
      ...(since === undefined ? {} : { since }),
    });
  }

  async stats(): Promise<StatsView> {
    return this.query<StatsView>({ what: 'stats' });
  }

  /** Events of the past, the newest first; `before` of one page is where the next begins. */
  history(options: HistoryOptions = {}): Promise<EventPage> {
    const { before, types, subject, limit } = options;
    return this.query<EventPage>({
      what: 'history',
      ...(before === undefined ? {} : { before }),
      ...(types === undefined ? {} : { types: [...types] }),
      ...(subject === undefined ? {} : { subject }),
      ...(limit === undefined ? {} : { limit }),
    });
  }

  /** Who did what, from where, when: the newest first. Admins only. */
  audit({ before, limit }: { before?: number | undefined; limit?: number | undefined } = {}): Promise<AuditPage> {
    return this.query<AuditPage>({
      what: 'audit',
      ...(before === undefined ? {} : { before }),
      ...(limit === undefined ? {} : { limit }),
    });
  }

  /** What a task was submitted with. Its owner's and admins' only. */
  taskInput(id: string): Promise<TaskInput> {
    return this.query<TaskInput>({ what: 'input', task: id });
  }

  /** Admins only. */
  tokens(): Promise<TokenView[]> {
    return this.pages((after) => this.query<TokenView[]>({ what: 'tokens', ...after }));
  }

  protected async query<Result>(query: Query): Promise<Result> {
    return (await this.ask({ type: 'query', query })) as Result;
  }

  /**
   * Every page of a list: each goes on behind the last id of the one before. The end is a page with nothing new in it:
   * an empty one, or that of a coordinator which knows no pages and answers with everything again.
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

  protected async act<Result>(action: Action): Promise<Result> {
    return (await this.ask({ type: 'act', action })) as Result;
  }

  protected async *storedEvents(since: number): AsyncGenerator<PoolEvent, void, undefined> {
    for (let last = since; ; ) {
      const page = await this.query<{ events: PoolEvent[]; last: number }>({
        what: 'events',
        since: last,
        limit: EVENTS_PAGE,
      });
      yield* page.events;
      // `last` is how far the coordinator searched: a page without an event that this client may read is not the end.
      if (page.last <= last) return;
      last = page.last;
    }
  }
}
