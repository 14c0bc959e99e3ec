/**
 * Who looks at which topic. Four times a second each topic that somebody looks at is asked what changed; the answer is
 * encoded once and the same bytes go to all. For a peer that reads too slowly, changes are merged into one until it has
 * caught up: what waits for it never grows beyond what the topic holds.
 */
import { encodeDown } from '@rma/protocol/codec';
import { ProtocolError } from '@rma/protocol/error';
import type { Subscribe } from '@rma/protocol/up';
import type { Subprotocol } from '@rma/protocol/version';
import type { Effects } from '../core/effects.js';
import type { State } from '../core/state.js';
import type { QuerySource } from '../query/query.js';
import { Facts } from './facts.js';
import { BUCKET_MS, PoolHistory } from './history.js';
import { JoinTopic } from './join.js';
import { OverviewTopic } from './overview.js';
import { RecentTopic } from './recent.js';
import { TasksTopic } from './tasks.js';
import type { Seen, Topic, TopicMessage } from './topic.js';
import { WorkerTopic } from './worker.js';
import { WorkerPasts } from './worker-past.js';
import { WorkersTopic } from './workers.js';

const FLUSH_MS = 250;
/** A change of more items than this makes its topic pause for longer, up to a second. */
const FULL_CHANGE = 500;
const MAX_PAUSE_MS = 1_000;
/** A peer with more than this on its way gets no further change until it has read. */
const SLOW_BYTES = 262_144;
const MAX_VIEWS = 32;

/** Somebody with a session, as far as topics need to know. */
export interface Onlooker {
  readonly id: number;
  readonly role: string | null;
  readonly subject: string;
  readonly subprotocol: Subprotocol;
  readonly bufferedBytes: number;
  sendFrame(frame: string | Uint8Array): void;
}

interface Look {
  readonly onlooker: Onlooker;
  /** The snapshot is being made, or sent; changes wait in `pending`. */
  waiting: boolean;
  pending: unknown;
}

interface Stage {
  readonly topic: Topic<unknown>;
  readonly looks: Map<number, Look>;
  dueAtMs: number;
}

export interface LiveViewsOptions {
  readonly query: QuerySource;
  /** What the pool is called. */
  readonly pool: string;
  /** Monotonic ms. */
  readonly nowMs: () => number;
  readonly error: (error: unknown) => void;
}

export class LiveViews {
  readonly #options: LiveViewsOptions;
  readonly #stages = new Map<string, Stage>();
  readonly #byOnlooker = new Map<number, Set<string>>();
  readonly #history: PoolHistory;
  readonly #pasts = new WorkerPasts();
  readonly #facts = new Facts();
  readonly #startedAt: number;
  readonly #timer: NodeJS.Timeout;
  #levelsAtMs = Number.NEGATIVE_INFINITY;

  constructor(options: LiveViewsOptions) {
    this.#options = options;
    this.#startedAt = options.query.wallMs() - options.query.uptimeSeconds() * 1_000;
    this.#history = new PoolHistory(options.query.wallMs());
    this.#timer = setInterval(() => this.#tick(), FLUSH_MS);
    this.#timer.unref();
  }

  /** Views that are looked at, for tests that look for leaks. */
  get size(): number {
    return this.#stages.size;
  }

  /** After every commit, from the loop's perform step. */
  observe(effects: Effects): void {
    const { query } = this.#options;
    const seen: Seen = { effects, state: query.state(), wallMs: query.wallMs() };
    this.#history.count(effects);
    this.#pasts.observe(seen);
    for (const { topic } of this.#stages.values()) topic.observe(seen);
  }

  /**
   * Begins a view; `reply` is told its key before anything of it is sent.
   * @throws ProtocolError of kind `not_found`, `invalid` or `conflict`
   */
  async subscribe(onlooker: Onlooker, message: Subscribe, token: string, reply: (key: string) => void): Promise<void> {
    const topic = this.#topicOf(onlooker, message, token);
    const mine = this.#byOnlooker.get(onlooker.id) ?? new Set();
    if (!mine.has(topic.key) && mine.size >= MAX_VIEWS) {
      throw new ProtocolError('conflict', `a session may look at ${MAX_VIEWS} views (maxViews); leave one first`);
    }
    let stage = this.#stages.get(topic.key);
    if (!stage) {
      stage = { topic, looks: new Map(), dueAtMs: 0 };
      this.#stages.set(topic.key, stage);
    }
    const look: Look = { onlooker, waiting: true, pending: undefined };
    stage.looks.set(onlooker.id, look);
    mine.add(topic.key);
    this.#byOnlooker.set(onlooker.id, mine);
    reply(topic.key);
    try {
      const { query } = this.#options;
      const made = stage.topic.snapshot(query.state(), query.wallMs());
      const messages = made instanceof Promise ? await made : made;
      if (stage.looks.get(onlooker.id) !== look) return;
      for (const one of messages) onlooker.sendFrame(encodeDown(one, onlooker.subprotocol));
    } catch (error) {
      if (stage.looks.get(onlooker.id) === look) this.#leave(onlooker.id, topic.key);
      throw error;
    }
    look.waiting = false;
  }

  /** Leaves one view, or with no key all of a topic; without either, all. */
  unsubscribe(onlooker: number, topic?: string, key?: string): void {
    for (const mine of [...(this.#byOnlooker.get(onlooker) ?? [])]) {
      const isTopic = topic === undefined || mine === topic || mine.startsWith(`${topic} `);
      if (isTopic && (key === undefined || key === mine)) this.#leave(onlooker, mine);
    }
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  #leave(onlooker: number, key: string): void {
    const mine = this.#byOnlooker.get(onlooker);
    mine?.delete(key);
    if (mine?.size === 0) this.#byOnlooker.delete(onlooker);
    const stage = this.#stages.get(key);
    stage?.looks.delete(onlooker);
    if (stage?.looks.size === 0) this.#stages.delete(key);
  }

  /** The topic that is asked for: the one that others look at already, where it is the same. */
  #topicOf({ role, subject }: Onlooker, message: Subscribe, token: string): Topic<unknown> {
    const { query, pool } = this.#options;
    const full = role === 'admin';
    const state = query.state();
    const shared = <Change>(topic: Topic<Change>) =>
      this.#stages.get(topic.key)?.topic ?? (topic as unknown as Topic<unknown>);
    switch (message.topic) {
      case 'overview':
        return shared(
          new OverviewTopic({
            history: this.#history,
            facts: this.#facts,
            signs: (wallMs) => ({ outcomes: this.#history.outcomes(), departures: this.#pasts.departures(wallMs) }),
            server: { version: query.version, transport: query.transport, startedAt: this.#startedAt },
            storageBytes: query.storageBytes,
          }),
        );
      case 'workers':
        return shared(new WorkersTopic(full));
      case 'worker': {
        const { worker } = message;
        if (worker === undefined) throw new ProtocolError('invalid', 'the topic `worker` needs `worker`', '/worker');
        if (!state.workers.has(worker)) throw new ProtocolError('not_found', `there is no worker ${worker}`);
        return shared(new WorkerTopic(worker, full, this.#pasts));
      }
      case 'tasks': {
        const filter = message.filter ?? {};
        if (!full && filter.owner !== undefined && filter.owner !== subject) {
          throw new ProtocolError('forbidden', 'a client sees its own tasks only; leave `owner` out', '/filter/owner');
        }
        return shared(new TasksTopic(filter, full ? undefined : subject, query.reader));
      }
      case 'recent': {
        if (!full && message.audit) {
          throw new ProtocolError('forbidden', 'the audit log is for admins; leave `audit` out', '/audit');
        }
        return shared(new RecentTopic(message, { role: role ?? '', subject }, query.reader));
      }
      case 'join': {
        const id = role === 'join' ? token : message.token;
        if (id === undefined) throw new ProtocolError('invalid', 'name the join token in `token`', '/token');
        if (state.tokens.get(id)?.role !== 'join') {
          throw new ProtocolError('not_found', `there is no join token ${id}`);
        }
        return shared(new JoinTopic(id, pool));
      }
      case 'events':
        throw new Error('events are no live view');
    }
  }

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
      for (const stage of this.#stages.values()) if (now >= stage.dueAtMs) this.#flush(stage, state, wallMs, now);
    } catch (reason) {
      error(reason);
    }
  }

  #flush(stage: Stage, state: State, wallMs: number, now: number): void {
    const { topic } = stage;
    const change = topic.takeChange(state, wallMs);
    if (change !== undefined) {
      const pauseMs = Math.min(MAX_PAUSE_MS, FLUSH_MS * Math.ceil(topic.sizeOf(change) / FULL_CHANGE));
      stage.dueAtMs = now + pauseMs - FLUSH_MS / 2;
    }
    const frames = new Map<Subprotocol, (string | Uint8Array)[]>();
    for (const look of stage.looks.values()) {
      const { onlooker } = look;
      if (look.waiting || onlooker.bufferedBytes > SLOW_BYTES) {
        if (change === undefined) continue;
        look.pending = look.pending === undefined ? change : topic.merge(look.pending, change);
      } else if (look.pending !== undefined) {
        const due = change === undefined ? look.pending : topic.merge(look.pending, change);
        look.pending = undefined;
        for (const frame of encoded(topic.messages(due), onlooker.subprotocol)) onlooker.sendFrame(frame);
      } else if (change !== undefined) {
        let same = frames.get(onlooker.subprotocol);
        if (!same) {
          same = encoded(topic.messages(change), onlooker.subprotocol);
          frames.set(onlooker.subprotocol, same);
        }
        for (const frame of same) onlooker.sendFrame(frame);
      }
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
