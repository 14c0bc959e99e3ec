/** The SDK's entry point: one client, one connection, its tasks, queries and live views. */
import { Connection, platform } from '@rma/peer/connection';
import { defined } from '@rma/protocol/defined';
import type { Welcome } from '@rma/protocol/down';
import { ProtocolError } from '@rma/protocol/error';
import type { PoolEvent } from '@rma/protocol/event';
import type { BlobRef } from '@rma/protocol/payload';
import type { ReplyTo, Request } from '@rma/protocol/reply';
import { type Feature, SUBPROTOCOL_MSGPACK } from '@rma/protocol/version';
import { Administration } from './administration.js';
import { Blobs } from './blobs.js';
import { type Cancellation, type CancelPort, cancelMany } from './cancel-many.js';
import type { ConnectOptions, EventsOptions } from './client-options.js';
import type { Live } from './live/live.js';
import {
  type LiveJoin,
  type LiveKinds,
  type LiveOverview,
  type LiveRecent,
  type LiveTaskFilter,
  type LiveTasks,
  type LiveWorker,
  type LiveWorkers,
  type RecentFilter,
  reduceJoin,
  reduceKinds,
  reduceOverview,
  reduceRecent,
  reduceTasks,
  reduceWorker,
  reduceWorkers,
} from './live/views.js';
import { MessageRouter } from './message-router.js';
import { type Job, type SubmitOptions, taskSpec } from './submit-options.js';
import type { TaskHandle } from './task.js';
import { TaskSubmission } from './task-submission.js';
import { socketUrl } from './url.js';
import { CLIENT_NAME, CLIENT_VERSION } from './version.js';

export type {
  ConnectOptions,
  EventsOptions,
  HistoryOptions,
  NewToken,
  TaskFilter,
  WorkerLogOptions,
} from './client-options.js';

/**
 * A connection to the pool that mends itself. Made by {@link connect}.
 *
 * Every promise settles exactly once: with the coordinator's answer (a `ProtocolError` where it refuses), or, once the
 * client is closed, with the reason for that.
 */
export class Client extends Administration {
  readonly #connection: Connection;
  readonly #router: MessageRouter;
  readonly #tasks: TaskSubmission;

  /** Use {@link connect}. */
  constructor(options: ConnectOptions) {
    super();
    const url = socketUrl(options.url, options.insecure);
    this.#router = new MessageRouter({
      url,
      token: options.token,
      blobs: () => blobs,
      upload: (task) => this.#tasks.upload(task),
      subscribe: (since) => this.#subscribe(since),
      subscribeTopic: (request) => this.ask(request),
      flushSoon: () => this.#connection.flushSoon(),
      onConnection: options.onConnection,
    });
    this.#connection = new Connection(
      {
        url,
        role: 'client',
        subprotocol: options.subprotocol ?? SUBPROTOCOL_MSGPACK,
        agent: { name: CLIENT_NAME, version: `${CLIENT_VERSION} (${platform})` },
        offlineTimeoutMs: options.offlineTimeoutMs,
        unfit: (welcome) => unfit(welcome, options.joining ?? false),
      },
      this.#router,
    );
    const blobs = new Blobs(this.#connection);
    this.#tasks = new TaskSubmission({
      router: this.#router,
      blobs,
      flushSoon: () => this.#connection.flushSoon(),
      cancel: (id) => this.cancel(id),
    });
    this.#connection.start();
  }

  /** The session, once there is one. Rejects where the coordinator turns this client away for good. */
  ready(): Promise<Welcome> {
    const { state } = this.#connection.session;
    if (state.name === 'online') return Promise.resolve(state.welcome);
    const { endedBy } = this.#router;
    return endedBy ? Promise.reject(endedBy) : this.#router.nextSession();
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

  /**
   * The bytes of a blob that an input or output names, checked against its SHA-256. Of {@link taskInput} and
   * {@link TaskHandle.resultByReference}, which leave it to the caller what to fetch.
   * @param task that names it: with it, an admin reads what belongs to others
   */
  blob(ref: BlobRef, task?: string): Promise<Uint8Array> {
    return this.#tasks.blob(ref, task);
  }

  /** Ends a task. Resolves where it is cancelled, also where it was before; rejects with `conflict` where it ended otherwise. */
  async cancel(id: string): Promise<void> {
    try {
      await this.ask({ type: 'cancel', task: id });
    } catch (error) {
      // A cancel that was repeated after a reconnect finds its own work done.
      if (!(error instanceof ProtocolError) || error.kind !== 'conflict') throw error;
      if ((await this.task(id)).state !== 'cancelled') throw error;
    }
  }

  /**
   * What happened in the pool, in order, each event once, across reconnects. Leaving the loop ends the subscription.
   *
   * ```ts
   * for await (const event of client.events({ follow: true })) console.log(event.seq, event.type, event.subject);
   * ```
   */
  async *events({ since, follow = false, signal }: EventsOptions = {}): AsyncGenerator<PoolEvent, void, undefined> {
    let last = since;
    while (follow) {
      if (signal?.aborted) return;
      const reader = this.#router.feed.join();
      const leave = () => void reader.queue.return();
      signal?.addEventListener('abort', leave, { once: true });
      this.#connection.flushSoon();
      try {
        const from = await reader.from;
        last ??= from;
        if (last < from) {
          for await (const event of this.storedEvents(last)) {
            if (signal?.aborted) return;
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
        signal?.removeEventListener('abort', leave);
        await reader.queue.return();
        this.#connection.flushSoon();
      }
    }
    yield* this.storedEvents(last ?? 0);
  }

  /** The pool as a whole: current figures, ten minutes of history, notices. */
  liveOverview(): Live<LiveOverview> {
    return this.#router.topics.live({ topic: 'overview' }, reduceOverview);
  }

  /** All workers, with their load. */
  liveWorkers(): Live<LiveWorkers> {
    return this.#router.topics.live({ topic: 'workers' }, reduceWorkers);
  }

  /** One worker in detail. Fails with `not_found` for an id that does not exist. */
  liveWorker(id: string): Live<LiveWorker> {
    return this.#router.topics.live({ topic: 'worker', worker: id }, reduceWorker);
  }

  /** The newest tasks that fit a filter. For one task see {@link watch} and {@link task}. */
  liveTasks({ states, kind, owner, worker, limit }: LiveTaskFilter = {}): Live<LiveTasks> {
    const filter = defined({ states: states && [...states], kind, owner, worker, limit });
    return this.#router.topics.live({ topic: 'tasks', filter }, reduceTasks);
  }

  /**
   * What happens in the pool, as much of it as a person can read: the newest events, and how many were left out. For
   * every event see {@link events}.
   */
  liveRecent({ types, subject, audit }: RecentFilter = {}): Live<LiveRecent> {
    const filter = defined({ types: types && [...types], subject, audit });
    return this.#router.topics.live({ topic: 'recent', ...filter }, reduceRecent);
  }

  /** Every kind that the pool knows, with the figures of the whole pool; asked once, see {@link kinds}. */
  liveKinds(): Live<LiveKinds> {
    return this.#router.topics.live({ topic: 'kinds' }, reduceKinds);
  }

  /**
   * Who joins with a token. An admin names the token by its id; a client that was made with a join token leaves it out
   * (see `joining` of {@link ConnectOptions}).
   */
  liveJoin(token?: string): Live<LiveJoin> {
    return this.#router.topics.live({ topic: 'join', ...defined({ token }) }, reduceJoin);
  }

  /**
   * Ends many tasks; an id named twice counts once. Resolves when all are settled; those that had ended otherwise, or are
   * not there, are in `failed` with the reason.
   */
  cancelMany(ids: readonly string[], onProgress?: (settled: number) => void): Promise<Cancellation> {
    const port: CancelPort = {
      hasCancels: async () => (await this.ready()).features.includes('cancels' satisfies Feature),
      cancel: (id) => this.cancel(id),
      cancels: (tasks) => this.ask({ type: 'cancels', tasks }),
    };
    return cancelMany(ids, port, onProgress);
  }

  /** Sends what is to be sent, closes the connection and rejects what is pending with a `ClosedError`. */
  close(): Promise<void> {
    return this.#connection.leave();
  }

  protected ask<R extends Request>(request: R): Promise<ReplyTo<R>> {
    if (this.#router.endedBy) return Promise.reject(this.#router.endedBy);
    const reply = this.#router.requests.ask(request);
    this.#connection.flushSoon();
    return reply;
  }

  async #subscribe(since: number | undefined): Promise<number> {
    const request = { type: 'subscribe', topic: 'events', ...(since === undefined ? {} : { since }) } as const;
    return (await this.ask(request)).last;
  }
}

function unfit({ role }: Welcome, joining: boolean) {
  if (joining ? role === 'join' : role === 'admin' || role === 'client') return undefined;
  const wanted = joining ? 'a join token' : 'a client or an admin token';
  return { close: 'forbidden', message: `this token is for the role '${role}': use ${wanted}` } as const;
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
