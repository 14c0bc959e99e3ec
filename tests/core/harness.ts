/**
 * The core without a process: virtual time, a store in memory, and the turns of runtime/loop.ts (claimed rows first,
 * then what arrived, due rows, tick; fetch, step, commit, perform, claim). What it sends is kept by session.
 */
import { type Effects, makeEffects, type Outgoing, persists } from '@rma/server/core/effects';
import type { Batch, Input } from '@rma/server/core/inputs';
import { tailOf } from '@rma/server/core/lane';
import { restore } from '@rma/server/core/restore';
import type { CoreSettings } from '@rma/server/core/settings';
import type { State } from '@rma/server/core/state';
import { step } from '@rma/server/core/step';
import type { TokenRecord } from '@rma/server/core/token';
import { namedBlobs, namedTasks } from '@rma/server/runtime/named';
import { MemoryStore, type SyncStore } from './memory-store.js';

const TICK_MS = 1_000;
const DUE_MS = 100;
const DUE_LIMIT = 500;
/** When every test begins: a Sunday. */
export const START_MS = Date.UTC(2026, 1, 1, 12);

/** Where a coordinator dies: nothing of the turn is on disk, or all of it is and nothing was sent. */
export type CrashPoint = 'before commit' | 'after commit';

/** What one session was sent: the lists of `Outgoing` over any number of turns, replays already read. */
export interface Sent extends Omit<Outgoing, 'replays' | 'acknowledgedChunks' | 'assignment'> {
  assignments: NonNullable<Outgoing['assignment']>[];
  acknowledgedChunks: { task: string; attempt: number; chunk: number }[];
}

export interface PoolOptions {
  readonly settings?: Partial<CoreSettings>;
  readonly builtInKinds?: readonly string[];
  readonly store?: SyncStore;
}

export class Pool {
  readonly store: SyncStore;
  nowMs = 1_000;
  wallMs = START_MS;
  state: State;
  /** The core's random number of the next turns. */
  random = 0.5;
  /** Sees what each turn sends to each session, beside the mail that is kept. */
  onSent: ((session: number, sent: Sent) => void) | undefined;
  readonly #settings: Partial<CoreSettings>;
  readonly #builtInKinds: readonly string[];
  #inbox: Input[] = [];
  #claimed: Input[] = [];
  #tickAtMs = 0;
  #dueAtMs = 0;
  #mail = new Map<number, Sent>();
  #ids = 0;

  constructor(options: PoolOptions = {}) {
    this.#settings = options.settings ?? {};
    this.#builtInKinds = options.builtInKinds ?? ['echo', 'ocr.read', 'ner.extract'];
    this.store = options.store ?? new MemoryStore();
    this.state = this.#restore();
  }

  /** The store, where it is the one in memory. */
  get memory(): MemoryStore {
    if (!(this.store instanceof MemoryStore)) throw new Error('this pool runs on another store');
    return this.store;
  }

  get pending(): boolean {
    const { ready, readOnly } = this.state;
    return this.#inbox.length > 0 || this.#claimed.length > 0 || (ready.size > 0 && !readOnly);
  }

  /** A number that was not used before. */
  nextId(): number {
    return ++this.#ids;
  }

  push(...inputs: Input[]): void {
    this.#inbox.push(...inputs);
  }

  /** One turn of the loop. With `crash` the process dies in it, and the pool is one that started anew. */
  turn(crash?: CrashPoint): void {
    const inputs = [...this.#claimed, ...this.#inbox];
    this.#claimed = [];
    this.#inbox = [];
    if (this.nowMs - this.#dueAtMs >= DUE_MS) {
      this.#dueAtMs = this.nowMs;
      const tasks = this.store.due(this.wallMs, DUE_LIMIT);
      if (tasks.length > 0) inputs.push({ type: 'due', tasks });
    }
    if (this.nowMs - this.#tickAtMs >= TICK_MS) {
      this.#tickAtMs = this.nowMs;
      inputs.push({ type: 'tick' });
    }
    const ids = namedTasks(inputs, this.state);
    const fetched = new Map(this.store.fetch(ids).map((task) => [task.id, task]));
    const blobsHeld = new Set<string>();
    for (const { owner, blob } of namedBlobs(inputs, this.state, fetched)) {
      if (this.store.findBlob(owner, blob)) blobsHeld.add(`${owner} ${blob}`);
    }
    const { nowMs, wallMs, random } = this;
    const batch: Batch = { nowMs, wallMs, random, inputs, fetched, blobsHeld };
    const effects = step(this.state, batch);
    if (crash === 'before commit') {
      this.restart();
      return;
    }
    if (persists(effects.persist)) this.store.commit(effects.persist, wallMs);
    if (crash === 'after commit') {
      this.restart();
      return;
    }
    for (const [session, outgoing] of effects.outgoing) this.#send(session, outgoing);
    this.#claim(effects);
  }

  #claim(effects: Effects): void {
    for (const { lane: id, tasks, bytes } of effects.claims) {
      const lane = this.state.lanes.get(id);
      if (!lane) continue;
      const claimed = this.store.claim(id, tailOf(lane), tasks, bytes);
      this.#claimed.push({ type: 'claimed', lane: id, tasks: claimed, asked: tasks });
    }
  }

  /** Turns until nothing is left to do at this time. */
  settle(): void {
    let turns = 0;
    do {
      this.turn();
      if (++turns > 1_000) throw new Error('the pool does not settle');
    } while (this.pending);
  }

  advance(ms: number): void {
    this.nowMs += ms;
    this.wallMs += ms;
    this.settle();
  }

  /** The process died: connections, inputs and mail on its way are gone; what was committed is not. */
  restart(): void {
    this.#inbox = [];
    this.#claimed = [];
    this.#tickAtMs = 0;
    this.#dueAtMs = 0;
    this.state = this.#restore();
  }

  /** A commit found no room, and nothing can be written since. */
  rebuildReadOnly(): void {
    this.restart();
    this.state.storageFull = true;
    this.state.readOnly = true;
  }

  #restore(): State {
    return restore(this.store.load(), this.#settings, this.#builtInKinds, this.nowMs);
  }

  /** Puts a token on disk and into the state, as the first start does. */
  addToken(token: Partial<TokenRecord> & Pick<TokenRecord, 'role'>): TokenRecord {
    const name = token.name ?? token.role;
    const record: TokenRecord = {
      id: `t-${this.nextId()}`,
      name,
      subject: name,
      owner: token.subject ?? name,
      trust: 'community',
      createdAt: this.wallMs,
      expiresAt: 0,
      usesLeft: -1,
      revokedAt: 0,
      lastUsedAt: 0,
      ...token,
    };
    const { persist } = makeEffects();
    persist.tokens.add(record);
    this.store.commit(persist, this.wallMs);
    this.state.tokens.set(record.id, record);
    return record;
  }

  #send(session: number, outgoing: Outgoing): void {
    const sent: Sent = {
      ...outgoing,
      assignments: outgoing.assignment ? [outgoing.assignment] : [],
      acknowledgedChunks: [...outgoing.acknowledgedChunks.values()],
      chunks: [
        ...outgoing.replays.flatMap(({ task, seq, attempt, after, upTo }) =>
          this.store.chunks(seq, attempt, after, upTo, 10_000).map((chunk) => ({ task, attempt, ...chunk })),
        ),
        ...outgoing.chunks,
      ],
    };
    this.onSent?.(session, sent);
    const mail = this.#mail.get(session);
    this.#mail.set(session, mail ? joined(mail, sent) : sent);
  }

  /** What the session was sent since the last look. */
  read(session: number): Sent {
    const mail = this.#mail.get(session);
    this.#mail.delete(session);
    return mail ?? emptySent();
  }
}

export function emptySent(): Sent {
  return {
    errors: [],
    replies: [],
    accepted: [],
    refused: [],
    assignments: [],
    acknowledgedResults: [],
    acknowledgedChunks: [],
    stops: [],
    dispatches: [],
    changed: [],
    chunks: [],
    ended: [],
  };
}

function joined(a: Sent, b: Sent): Sent {
  return {
    ...a,
    ...b,
    errors: [...a.errors, ...b.errors],
    replies: [...a.replies, ...b.replies],
    accepted: [...a.accepted, ...b.accepted],
    refused: [...a.refused, ...b.refused],
    assignments: [...a.assignments, ...b.assignments],
    acknowledgedResults: [...a.acknowledgedResults, ...b.acknowledgedResults],
    acknowledgedChunks: [...a.acknowledgedChunks, ...b.acknowledgedChunks],
    stops: [...a.stops, ...b.stops],
    dispatches: [...a.dispatches, ...b.dispatches],
    changed: [...a.changed, ...b.changed],
    chunks: [...a.chunks, ...b.chunks],
    ended: [...a.ended, ...b.ended],
  };
}
