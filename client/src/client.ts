/** The SDK's face: one client, one connection, every question and task of the pool. */
import type { Welcome } from '@rma/protocol/down';
import { ProtocolError } from '@rma/protocol/error';
import type { PoolEvent } from '@rma/protocol/event';
import type { TaskState } from '@rma/protocol/task';
import type { Action, Query } from '@rma/protocol/up';
import { SUBPROTOCOL_MSGPACK, type Subprotocol } from '@rma/protocol/version';
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
import { Connection } from './connection.js';
import { type ConnectionChange, Conversation } from './conversation.js';
import type { Live } from './live/live.js';
import {
  type LiveJoin,
  type LiveOverview,
  type LiveRecent,
  type LiveTaskFilter,
  type LiveTasks,
  type LiveWorker,
  type LiveWorkers,
  showJoin,
  showOverview,
  showRecent,
  showTasks,
  showWorker,
  showWorkers,
} from './live/views.js';
import type { Request } from './requests.js';
import { type Job, type SubmitOptions, taskSpec } from './submit-options.js';
import type { TaskHandle } from './task.js';
import { TaskSubmission } from './task-submission.js';
import { socketUrl } from './url.js';

export interface ConnectOptions {
  /** `http(s)://HOST:PORT` of the coordinator; ws(s) is taken, too. */
  readonly url: string;
  /** A client or admin token. Left out only where a browser's cookie authenticates. */
  readonly token?: string | undefined;
  /** Admit plain http to another machine than this one: anybody on the way can read the token. */
  readonly insecure?: boolean | undefined;
  /** Give everything up after this long without a connection. Default: never. */
  readonly offlineTimeoutMs?: number | undefined;
  readonly onConnection?: ((change: ConnectionChange) => void) | undefined;
  /** The token is a join token: only {@link Client.liveJoin} is to be had, and nothing is used up. Default false. */
  readonly joining?: boolean | undefined;
  /** Default MessagePack; JSON is for looking at frames. */
  readonly subprotocol?: Subprotocol | undefined;
}

/** Which tasks `tasks()` lists: newest first. */
export interface TaskFilter {
  readonly state?: TaskState | undefined;
  readonly kind?: string | undefined;
  /** Those submitted before this task: the last id of one page gives the next. */
  readonly before?: string | undefined;
  /** 1 to 1,000. */
  readonly limit?: number | undefined;
}

export interface EventsOptions {
  /** Begin after this event. Default: 0 without `follow`, with `follow` the newest one there is. */
  readonly since?: number | undefined;
  /** Go on with what happens from now on. Default false. */
  readonly follow?: boolean | undefined;
}

export interface WorkerLogOptions {
  /** Of this service alone. */
  readonly service?: string | undefined;
  /** At most so many; 100 unless given. */
  readonly lines?: number | undefined;
  /** Only lines after this time, as the `at` of a line tells it. */
  readonly since?: string | undefined;
}

/** A token to be made; see docs of roles. */
export type NewToken = Omit<Extract<Action, { do: 'token.create' }>, 'do'>;

/** Which events `history()` lists. */
export interface HistoryOptions {
  /** Below this number; default: the newest. */
  readonly before?: number | undefined;
  /** Types, or beginnings of types such as `worker.` */
  readonly types?: readonly string[] | undefined;
  /** The id of a task, worker or token. */
  readonly subject?: string | undefined;
  /** 1 to 1,000, default 200. */
  readonly limit?: number | undefined;
}

const EVENTS_PAGE = 1_000;
const CANCELS_AT_ONCE = 64;

/**
 * A connection to the pool that mends itself. Made by {@link connect}.
 *
 * Every promise settles exactly once: with the coordinator's answer (a `ProtocolError` where it refuses), or, once the
 * client is closed, with the reason for that.
 */
export class Client {
  readonly #connection: Connection;
  readonly #conversation: Conversation;
  readonly #tasks: TaskSubmission;

  /** Use {@link connect}. */
  constructor(options: ConnectOptions) {
    this.#conversation = new Conversation({
      upload: (task) => this.#tasks.upload(task),
      subscribe: (since) => this.#subscribe(since),
      subscribeTopic: async (request) => (await this.#ask(request)) as { key: string },
      flushSoon: () => this.#connection.flushSoon(),
      onConnection: options.onConnection,
    });
    this.#connection = new Connection(
      {
        url: socketUrl(options.url, options.insecure),
        token: options.token,
        subprotocol: options.subprotocol ?? SUBPROTOCOL_MSGPACK,
        offlineTimeoutMs: options.offlineTimeoutMs,
        joining: options.joining ?? false,
      },
      this.#conversation,
    );
    this.#tasks = new TaskSubmission({
      conversation: this.#conversation,
      endedBy: () => this.#endedBy,
      flushSoon: () => this.#connection.flushSoon(),
      cancel: (id) => this.cancel(id),
    });
  }

  /** The session, once there is one. Rejects where the coordinator turns this client away for good. */
  ready(): Promise<Welcome> {
    const { state } = this.#connection.session;
    if (state.name === 'ready') return Promise.resolve(state.welcome);
    if (state.name === 'closed') return Promise.reject(state.error);
    return this.#conversation.nextSession();
  }

  /** Changes `offlineTimeoutMs` of {@link ConnectOptions}; undefined: try for ever. */
  set offlineTimeoutMs(timeoutMs: number | undefined) {
    this.#connection.session.offlineTimeoutMs = timeoutMs;
  }

  /**
   * Submits a task. It is sent at once, with all others of this turn; bytes in the input may be `Uint8Array`s of up to
   * 50 MiB, which are uploaded first and must not be changed meanwhile.
   *
   * ```ts
   * const task = client.submit<{ text: string }>('ocr.read', { file: await readFile('letter.png') }, { priority: 10 });
   * const { text } = await task.output();
   * ```
   *
   * @throws ProtocolError of kind `invalid` for an option or kind that no coordinator would take
   */
  submit<Output = unknown>(kind: string, input?: unknown, options: SubmitOptions = {}): TaskHandle<Output> {
    return this.#tasks.submit(kind, input, options) as TaskHandle<Output>;
  }

  /**
   * Submits many tasks in as few frames as their size admits. Nothing is submitted where one is invalid.
   *
   * ```ts
   * const tasks = client.submitMany(texts.map((text) => ({ kind: 'text.embed', input: { text } })));
   * for (const task of tasks) console.log(await task.output());
   * ```
   */
  submitMany<Output = unknown>(jobs: Iterable<Job>): TaskHandle<Output>[] {
    const all = [...jobs];
    for (const { kind, ...options } of all) taskSpec(kind, undefined, options);
    return all.map(({ kind, input, ...options }) => this.#tasks.submit(kind, input, options) as TaskHandle<Output>);
  }

  /** Follows a task by its id, whoever submitted it under this token. Unknown ids reject `accepted` with `not_found`. */
  watch<Output = unknown>(id: string): TaskHandle<Output> {
    return this.#tasks.watch(id) as TaskHandle<Output>;
  }

  /** Ends a task. Resolves where it is cancelled, also where it was before; rejects with `conflict` where it ended otherwise. */
  async cancel(id: string): Promise<void> {
    try {
      await this.#ask({ type: 'cancel', task: id });
    } catch (error) {
      // A cancel that was repeated after a reconnect finds its own work done.
      if (!(error instanceof ProtocolError) || error.kind !== 'conflict') throw error;
      if ((await this.task(id)).state !== 'cancelled') throw error;
    }
  }

  /** Tasks, newest first. */
  async tasks({ state, kind, before, limit }: TaskFilter = {}): Promise<TaskView[]> {
    return this.#query<TaskView[]>({
      what: 'tasks',
      ...(state === undefined ? {} : { state }),
      ...(kind === undefined ? {} : { kind }),
      ...(before === undefined ? {} : { before }),
      ...(limit === undefined ? {} : { limit }),
    });
  }

  /** One task with its attempts, and why it waits. */
  async task(id: string): Promise<TaskDetail> {
    return this.#query<TaskDetail>({ what: 'task', task: id });
  }

  /** All workers, by id. */
  workers(): Promise<WorkerView[]> {
    return this.#pages((after) => this.#query<WorkerView[]>({ what: 'workers', ...after }));
  }

  /** Where each workload of the catalogue runs, could run or cannot, and why. Admins only. */
  async placement(): Promise<PlacementView> {
    let workloads: PlacementView['workloads'] = [];
    const workers = await this.#pages(
      async (after) => {
        const page = await this.#query<PlacementView>({ what: 'placement', ...after });
        workloads = page.workloads;
        return page.workers;
      },
      ({ worker }) => worker,
    );
    return { workloads, workers };
  }

  /** The catalogue that is in force. */
  catalog(): Promise<CatalogView> {
    return this.#query<CatalogView>({ what: 'catalog' });
  }

  /**
   * The last lines that a worker's containers wrote, the oldest first. Nothing of it is stored in the pool: the worker is
   * asked. Admins only.
   */
  async workerLog(id: string, options: WorkerLogOptions = {}): Promise<LogLine[]> {
    const { service, lines, since } = options;
    return this.#query<LogLine[]>({
      what: 'log',
      worker: id,
      ...(service === undefined ? {} : { service }),
      ...(lines === undefined ? {} : { lines }),
      ...(since === undefined ? {} : { since }),
    });
  }

  async stats(): Promise<StatsView> {
    return this.#query<StatsView>({ what: 'stats' });
  }

  /**
   * What happened in the pool, in order, each event once, across reconnects. Leaving the loop ends the subscription.
   *
   * ```ts
   * for await (const event of client.events({ follow: true })) console.log(event.seq, event.type, event.subject);
   * ```
   */
  async *events({ since, follow = false }: EventsOptions = {}): AsyncGenerator<PoolEvent, void, undefined> {
    let last = since;
    while (follow) {
      const reader = this.#conversation.feed.join();
      this.#connection.flushSoon();
      try {
        const from = await reader.from;
        last ??= from;
        if (last < from) {
          for await (const event of this.#storedEvents(last)) {
            last = event.seq;
            yield event;
          }
        }
        for await (const event of reader.queue) {
          if (event.seq <= last) continue;
          last = event.seq;
          yield event;
        }
        if (!reader.isBehind) return;
      } finally {
        await reader.queue.return();
        this.#connection.flushSoon();
      }
    }
    yield* this.#storedEvents(last ?? 0);
  }

  /** The pool as a whole: figures of now, ten minutes of history, what an admin should know. */
  liveOverview(): Live<LiveOverview> {
    return this.#conversation.topics.live({ topic: 'overview' }, showOverview);
  }

  /** All workers, with their load. */
  liveWorkers(): Live<LiveWorkers> {
    return this.#conversation.topics.live({ topic: 'workers' }, showWorkers);
  }

  /** One worker in detail. Fails with `not_found` for an id that does not exist. */
  liveWorker(id: string): Live<LiveWorker> {
    return this.#conversation.topics.live({ topic: 'worker', worker: id }, showWorker);
  }

  /** The newest tasks that fit a filter. For one task see {@link watch} and {@link task}. */
  liveTasks({ states, kind, owner, worker, limit }: LiveTaskFilter = {}): Live<LiveTasks> {
    const filter = {
      ...(states === undefined ? {} : { states: [...states] }),
      ...(kind === undefined ? {} : { kind }),
      ...(owner === undefined ? {} : { owner }),
      ...(worker === undefined ? {} : { worker }),
      ...(limit === undefined ? {} : { limit }),
    };
    return this.#conversation.topics.live({ topic: 'tasks', filter }, showTasks);
  }

  /**
   * What happens in the pool, as much of it as a person can read: the newest events, and how many were left out. With
   * `types`, or beginnings of types such as `worker.`, those alone. For every event see {@link events}.
   */
  liveRecent(types?: readonly string[]): Live<LiveRecent> {
    const request = { topic: 'recent' as const, ...(types === undefined ? {} : { types: [...types] }) };
    return this.#conversation.topics.live(request, showRecent);
  }

  /**
   * Who joins with a token. An admin names the token by its id; a client that was made with a join token leaves it out
   * (see `joining` of {@link ConnectOptions}).
   */
  liveJoin(token?: string): Live<LiveJoin> {
    return this.#conversation.topics.live({ topic: 'join', ...(token === undefined ? {} : { token }) }, showJoin);
  }

  /** Events of the past, the newest first; `before` of one page is where the next begins. */
  history(options: HistoryOptions = {}): Promise<EventPage> {
    const { before, types, subject, limit } = options;
    return this.#query<EventPage>({
      what: 'history',
      ...(before === undefined ? {} : { before }),
      ...(types === undefined ? {} : { types: [...types] }),
      ...(subject === undefined ? {} : { subject }),
      ...(limit === undefined ? {} : { limit }),
    });
  }

  /** Who did what, from where, when: the newest first. Admins only. */
  audit({ before, limit }: { before?: number | undefined; limit?: number | undefined } = {}): Promise<AuditPage> {
    return this.#query<AuditPage>({
      what: 'audit',
      ...(before === undefined ? {} : { before }),
      ...(limit === undefined ? {} : { limit }),
    });
  }

  /** What a task was submitted with. Its owner's and admins' only. */
  taskInput(id: string): Promise<TaskInput> {
    return this.#query<TaskInput>({ what: 'input', task: id });
  }

  /**
   * Ends many tasks, some at a time. Resolves when all are settled; those that had ended otherwise, or are not there, are
   * in `failed` with the reason.
   */
  async cancelMany(
    ids: readonly string[],
    onProgress?: (settled: number) => void,
  ): Promise<{ cancelled: string[]; failed: { id: string; error: Error }[] }> {
    const cancelled: string[] = [];
    const failed: { id: string; error: Error }[] = [];
    const waiting = [...ids];
    const work = async () => {
      for (let id = waiting.shift(); id !== undefined; id = waiting.shift()) {
        try {
          await this.cancel(id);
          cancelled.push(id);
        } catch (error) {
          failed.push({ id, error: error instanceof Error ? error : new Error(String(error)) });
        }
        onProgress?.(cancelled.length + failed.length);
      }
    };
    await Promise.all(Array.from({ length: Math.min(CANCELS_AT_ONCE, ids.length) }, work));
    return { cancelled, failed };
  }

  /** Submits an ended task once more, as a new task of the same owner, whose id it resolves to. Admins only. */
  async retryTask(id: string): Promise<string> {
    return (await this.#act<{ task: string }>({ do: 'task.retry', task: id })).task;
  }

  /** Gives a worker another name. Admins only. */
  renameWorker(id: string, name: string): Promise<WorkerView> {
    return this.#act<WorkerView>({ do: 'worker.rename', worker: id, name });
  }

  /** Replaces a worker's labels. Admins only. */
  labelWorker(id: string, labels: Record<string, string>): Promise<WorkerView> {
    return this.#act<WorkerView>({ do: 'worker.label', worker: id, labels });
  }

  /** Pins a worker's tier, or (null) lets its hardware decide again. Admins only. */
  pinWorker(id: string, tier: 1 | 2 | 3 | null): Promise<WorkerView> {
    return this.#act<WorkerView>({ do: 'worker.pin', worker: id, tier });
  }

  /**
   * Gives a worker no more tasks, or (false) gives it tasks again. What runs goes on; with `requeue` it is stopped and
   * given to others. Admins only.
   */
  drainWorker(id: string, draining = true, { requeue = false } = {}): Promise<WorkerView> {
    return this.#act<WorkerView>({ do: 'worker.drain', worker: id, draining, ...(requeue ? { requeue } : {}) });
  }

  /** Shuts a worker out for good and closes its connection. Admins only. */
  revokeWorker(id: string): Promise<WorkerView> {
    return this.#act<WorkerView>({ do: 'worker.revoke', worker: id });
  }

  /** Makes a token. It is told this once. Admins only. */
  createToken(token: NewToken): Promise<{ token: string; view: TokenView }> {
    return this.#act<{ token: string; view: TokenView }>({ do: 'token.create', ...token });
  }

  /** Ends a token, and the connections that use it. Admins only. */
  revokeToken(id: string): Promise<TokenView> {
    return this.#act<TokenView>({ do: 'token.revoke', token: id });
  }

  /** Admins only. */
  tokens(): Promise<TokenView[]> {
    return this.#pages((after) => this.#query<TokenView[]>({ what: 'tokens', ...after }));
  }

  /** Sends what is to be sent, closes the connection and rejects what is pending with a `ClosedError`. */
  close(): Promise<void> {
    return this.#connection.close();
  }

  get #endedBy(): Error | undefined {
    const { state } = this.#connection.session;
    return state.name === 'closed' ? state.error : undefined;
  }

  #ask(request: Request): Promise<unknown> {
    if (this.#endedBy) return Promise.reject(this.#endedBy);
    const reply = this.#conversation.requests.ask(request);
    this.#connection.flushSoon();
    return reply;
  }

  async #query<Result>(query: Query): Promise<Result> {
    return (await this.#ask({ type: 'query', query })) as Result;
  }

  /**
   * Every page of a list: each goes on behind the last id of the one before. The end is a page with nothing new in it:
   * an empty one, or that of a coordinator which knows no pages and tells everything again.
   */
  async #pages<View>(
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

  async #act<Result>(action: Action): Promise<Result> {
    return (await this.#ask({ type: 'act', action })) as Result;
  }

  async #subscribe(since: number | undefined): Promise<number> {
    const request = { type: 'subscribe', topic: 'events', ...(since === undefined ? {} : { since }) } as const;
    return ((await this.#ask(request)) as { last: number }).last;
  }

  async *#storedEvents(since: number): AsyncGenerator<PoolEvent, void, undefined> {
    for (let last = since; ; ) {
      const page = await this.#query<{ events: PoolEvent[]; last: number }>({
        what: 'events',
        since: last,
        limit: EVENTS_PAGE,
      });
      yield* page.events;
      // `last` is how far the coordinator looked: a page may hold no event that this client may see, and not be the end.
      if (page.last <= last) return;
      last = page.last;
    }
  }
}

/**
 * Connects to a pool. The connection is made in the background and mended for ever; what is asked meanwhile waits.
 *
 * ```ts
 * import { connect } from '@rma/client';
 *
 * const client = connect({ url: 'http://127.0.0.1:8080', token: process.env.RMA_TOKEN });
 * console.log(await client.submit('echo', { hello: 'pool' }).output());
 * await client.close();
 * ```
 *
 * @throws ProtocolError of kind `invalid` for a URL that is none, or that would carry the token in the clear
 */
export function connect(options: ConnectOptions): Client {
  return new Client(options);
}
