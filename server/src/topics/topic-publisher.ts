/**
 * Publishes topics to their subscribers. Four times a second each subscribed topic is asked for its change; that is
 * encoded once per subprotocol, and all subscribers get the same bytes. For a subscriber that reads too slowly changes
 * are merged into one: what is pending for it never exceeds the topic's own state.
 */
import { encodeDown } from '@rma/protocol/codec';
import { ProtocolError } from '@rma/protocol/error';
import type { LiveTopicName } from '@rma/protocol/topic';
import type { Subscribe } from '@rma/protocol/up';
import type { Subprotocol } from '@rma/protocol/version';
import type { Effects } from '../core/effects.js';
import type { State } from '../core/state.js';
import type { QuerySource } from '../query/query.js';
import type { Viewer } from '../query/visible.js';
import { JoinTopic } from './join.js';
import { KindsTopic } from './kinds.js';
import { Notices } from './notices.js';
import { OverviewTopic } from './overview.js';
import { BUCKET_MS, PoolHistory } from './pool-history.js';
import { RecentTopic } from './recent.js';
import { TasksTopic } from './tasks.js';
import type { Commit, Topic, TopicMessage } from './topic.js';
import { WorkerTopic } from './worker.js';
import { WorkerHistories } from './worker-history.js';
import { WorkersTopic } from './workers.js';

const FLUSH_MS = 250;
/** Items above which a change delays its topic's next one, up to `MAX_PAUSE_MS`. */
const FULL_CHANGE = 500;
const MAX_PAUSE_MS = 1_000;
/** Bytes buffered for a subscriber above which it gets no further change until they have left. */
const SLOW_BYTES = 262_144;
const MAX_VIEWS = 32;

/** A session, as far as topics need to know it. */
export interface Subscriber {
  readonly id: number;
  readonly viewer: Viewer;
  readonly subprotocol: Subprotocol;
  readonly bufferedBytes: number;
  sendFrame(frame: string | Uint8Array): void;
}

interface Subscription {
  readonly subscriber: Subscriber;
  /** Its snapshot has not been sent yet; changes are merged into `pending`. */
  isStarting: boolean;
  pending: unknown;
}

interface TopicState {
  readonly topic: Topic<unknown>;
  /** By the subscriber's id. */
  readonly subscriptions: Map<number, Subscription>;
  dueAtMs: number;
}

export interface TopicPublisherOptions {
  readonly query: QuerySource;
  /** The pool's name. */
  readonly pool: string;
  /** Monotonic ms. */
  readonly nowMs: () => number;
  readonly error: (error: unknown) => void;
}

/** What decides which topic a `subscribe` means. */
interface Request {
  readonly message: Subscribe;
  readonly viewer: Viewer;
  readonly isAdmin: boolean;
  /** The id of the session's own token. */
  readonly token: string;
}

export class TopicPublisher {
  readonly #options: TopicPublisherOptions;
  readonly #topics = new Map<string, TopicState>();
  readonly #keysBySubscriber = new Map<number, Set<string>>();
  readonly #history: PoolHistory;
  readonly #workers = new WorkerHistories();
  readonly #notices = new Notices();
  readonly #startedAt: number;
  readonly #timer: NodeJS.Timeout;
  #levelsAtMs = Number.NEGATIVE_INFINITY;

  constructor(options: TopicPublisherOptions) {
    this.#options = options;
    this.#startedAt = options.query.wallMs() - options.query.uptimeSeconds() * 1_000;
    this.#history = new PoolHistory(options.query.wallMs());
    this.#timer = setInterval(() => this.#tick(), FLUSH_MS);
    this.#timer.unref();
  }

  /** Topics with subscribers, for tests that look for leaks. */
  get size(): number {
    return this.#topics.size;
  }

  /** After every commit, from the loop's perform step. */
  observe(effects: Effects): void {
    const { query } = this.#options;
    const commit: Commit = { effects, state: query.state(), wallMs: query.wallMs() };
    this.#history.count(effects);
    this.#workers.observe(commit);
    for (const { topic } of this.#topics.values()) topic.observe(commit);
  }

  /**
   * Begins a subscription; `reply` gets its key before the snapshot is sent.
   * @param token the id of the session's token
   * @throws ProtocolError of kind `not_found`, `invalid`, `forbidden` or `conflict`
   */
  async subscribe(
    subscriber: Subscriber,
    message: Subscribe,
    token: string,
    reply: (key: string) => void,
  ): Promise<void> {
    const state = this.#open(subscriber, message, token);
    const { key } = state.topic;
    const subscription: Subscription = { subscriber, isStarting: true, pending: undefined };
    state.subscriptions.set(subscriber.id, subscription);
    reply(key);
    try {
      const { query } = this.#options;
      const snapshot = state.topic.snapshot(query.state(), query.wallMs());
      const messages = snapshot instanceof Promise ? await snapshot : snapshot;
      // Ended, or begun anew, while the store was read.
      if (state.subscriptions.get(subscriber.id) !== subscription) return;
      for (const one of messages) subscriber.sendFrame(encodeDown(one, subscriber.subprotocol));
    } catch (error) {
      if (state.subscriptions.get(subscriber.id) === subscription) this.#end(subscriber.id, key);
      throw error;
    }
    subscription.isStarting = false;
  }

  /** Ends one subscription, or without a key all of a topic; without either, all. */
  unsubscribe(subscriber: number, topic?: string, key?: string): void {
    for (const its of [...(this.#keysBySubscriber.get(subscriber) ?? [])]) {
      const isOfTopic = topic === undefined || its === topic || its.startsWith(`${topic} `);
      if (isOfTopic && (key === undefined || key === its)) this.#end(subscriber, its);
    }
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  /** The state of the topic that is meant: the existing one where others subscribed to the same. */
  #open({ id, viewer }: Subscriber, message: Subscribe, token: string): TopicState {
    if (message.topic === 'events') throw new Error('the event stream is no live view');
    const topic = this.#factories[message.topic]({ message, viewer, isAdmin: viewer.role === 'admin', token });
    const keys = this.#keysBySubscriber.get(id) ?? new Set();
    if (!keys.has(topic.key) && keys.size >= MAX_VIEWS) {
      throw new ProtocolError(
        'conflict',
        `a session may have ${MAX_VIEWS} views (maxViews); unsubscribe from one first`,
      );
    }
    keys.add(topic.key);
    this.#keysBySubscriber.set(id, keys);
    const state = this.#topics.get(topic.key) ?? { topic, subscriptions: new Map(), dueAtMs: 0 };
    this.#topics.set(topic.key, state);
    return state;
  }

  #end(subscriber: number, key: string): void {
    const keys = this.#keysBySubscriber.get(subscriber);
    keys?.delete(key);
    if (keys?.size === 0) this.#keysBySubscriber.delete(subscriber);
    const state = this.#topics.get(key);
    state?.subscriptions.delete(subscriber);
    if (state?.subscriptions.size === 0) this.#topics.delete(key);
  }

  /** How each topic of the protocol's table is made. */
  readonly #factories: { readonly [T in LiveTopicName]: (request: Request) => Topic<unknown> } = {
    overview: () => {
      const { query } = this.#options;
      return new OverviewTopic({
        history: this.#history,
        notices: this.#notices,
        signals: (wallMs) => ({ outcomes: this.#history.outcomes(), departures: this.#workers.departures(wallMs) }),
        server: { version: query.version, transport: query.transport, startedAt: this.#startedAt },
        storageBytes: query.storageBytes,
      });
    },
    workers: ({ isAdmin }) => new WorkersTopic(isAdmin),
    worker: ({ message: { worker }, isAdmin }) => {
      if (worker === undefined) throw new ProtocolError('invalid', 'the topic `worker` needs `worker`', '/worker');
      if (!this.#options.query.state().workers.has(worker)) {
        throw new ProtocolError('not_found', `there is no worker ${worker}`);
      }
      return new WorkerTopic(worker, isAdmin, this.#workers);
    },
    tasks: ({ message: { filter = {} }, viewer, isAdmin }) => {
      if (!isAdmin && filter.owner !== undefined && filter.owner !== viewer.subject) {
        throw new ProtocolError('forbidden', 'a client sees its own tasks only; leave `owner` out', '/filter/owner');
      }
      const owner = isAdmin ? undefined : viewer.subject;
      return new TasksTopic(filter, owner, this.#options.query.reader.as(viewer.subject));
    },
    recent: ({ message, viewer, isAdmin }) => {
      if (!isAdmin && message.audit) {
        throw new ProtocolError('forbidden', 'the audit log is for admins; leave `audit` out', '/audit');
      }
      return new RecentTopic(message, viewer, this.#options.query.reader.as(viewer.subject));
    },
    kinds: () => new KindsTopic(),
    join: ({ message, viewer, token }) => {
      const { query, pool } = this.#options;
      const id = viewer.role === 'join' ? token : message.token;
      if (id === undefined) throw new ProtocolError('invalid', 'name the join token in `token`', '/token');
      if (query.state().tokens.get(id)?.role !== 'join') {
        throw new ProtocolError('not_found', `there is no join token ${id}`);
      }
      return new JoinTopic(id, pool);
    },
  };

  #tick(): void {
    const { query, nowMs, error } = this.#options;
    const state = query.state();
    const wallMs = query.wallMs();
    const now = nowMs();
    try {
      if (now - this.#levelsAtMs >= BUCKET_MS / 2) {
        this.#levelsAtMs = now;
        this.#history.advance({ queued: state.queued, running: state.running.size, online: online(state) }, wallMs);
      }
      for (const topic of this.#topics.values()) if (now >= topic.dueAtMs) this.#flush(topic, state, wallMs, now);
    } catch (reason) {
      error(reason);
    }
  }

  #flush(topicState: TopicState, state: State, wallMs: number, now: number): void {
    const { topic } = topicState;
    const change = topic.takeChange(state, wallMs);
    if (change !== undefined) {
      const pauseMs = Math.min(MAX_PAUSE_MS, FLUSH_MS * Math.ceil(topic.sizeOf(change) / FULL_CHANGE));
      topicState.dueAtMs = now + pauseMs - FLUSH_MS / 2;
    }
    const shared = new Map<Subprotocol, (string | Uint8Array)[]>();
    for (const subscription of topicState.subscriptions.values()) {
      const { subscriber, pending } = subscription;
      const { subprotocol } = subscriber;
      const isBusy = subscription.isStarting || subscriber.bufferedBytes > SLOW_BYTES;
      if (pending === undefined && !isBusy && change !== undefined) {
        let frames = shared.get(subprotocol);
        if (!frames) {
          frames = encoded(topic.messages(change), subprotocol);
          shared.set(subprotocol, frames);
        }
        for (const frame of frames) subscriber.sendFrame(frame);
        continue;
      }
      const merged = pending === undefined ? change : change === undefined ? pending : topic.merge(pending, change);
      subscription.pending = isBusy ? merged : undefined;
      if (isBusy || merged === undefined) continue;
      for (const frame of encoded(topic.messages(merged), subprotocol)) subscriber.sendFrame(frame);
    }
  }
}

function encoded(messages: readonly TopicMessage[], subprotocol: Subprotocol): (string | Uint8Array)[] {
  return messages.map((message) => encodeDown(message, subprotocol));
}

function online(state: State): number {
  let online = 0;
  for (const { session } of state.workers.values()) if (session !== 0) online++;
  return online;
}
