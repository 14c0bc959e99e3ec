/**
 * The core without a process: virtual time, a store in memory, and the loop's own turns (runtime/turn.ts), driven
 * synchronously. What each session is sent is kept until a test reads it.
 */
import { makeEffects, makeOutgoing, type Outgoing } from '@rma/server/core/effects';
import type { Input } from '@rma/server/core/inputs';
import { restore } from '@rma/server/core/restore';
import type { CoreSettings } from '@rma/server/core/settings';
import type { State } from '@rma/server/core/state';
import type { TokenRecord } from '@rma/server/core/token';
import { runTurnSync, Turns } from '@rma/server/runtime/turn';
import { MemoryStore, type SyncStore } from './memory-store.js';

/** When every test begins: a Sunday. */
export const START_MS = Date.UTC(2026, 1, 1, 12);

/** Where a coordinator dies: nothing of the turn is on disk, or all of it is and nothing was sent. */
export type CrashPoint = 'before commit' | 'after commit';

/** What one session was sent over any number of turns: the fields of `Outgoing`, with stored chunks already read. */
export interface Sent extends Omit<Outgoing, 'replays' | 'acknowledgedChunks' | 'assignment'> {
  assignments: NonNullable<Outgoing['assignment']>[];
  acknowledgedChunks: { task: string; attempt: number; chunk: number }[];
}

/** Ends a turn where the process is to die. */
class Crash extends Error {}

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
  /** Called with what each turn sends to each session. */
  onSent: ((session: number, sent: Sent) => void) | undefined;
  readonly #settings: Partial<CoreSettings>;
  readonly #builtInKinds: readonly string[];
  #turns: Turns;
  #inbox: Input[] = [];
  #crash: CrashPoint | undefined;
  #mail = new Map<number, Sent>();
  #ids = 0;

  constructor(options: PoolOptions = {}) {
    this.#settings = options.settings ?? {};
    this.#builtInKinds = options.builtInKinds ?? ['echo', 'ocr.read', 'ner.extract'];
    this.store = options.store ?? new MemoryStore();
    this.#turns = this.#makeTurns();
    this.state = this.#restore();
  }

  /** The store, where it is the one in memory. */
  get memory(): MemoryStore {
    if (!(this.store instanceof MemoryStore)) throw new Error('this pool runs on another store');
    return this.store;
  }

  get pending(): boolean {
    const { ready, freed, readOnly } = this.state;
    return this.#inbox.length > 0 || this.#turns.hasClaimed || (ready.size + freed.size > 0 && !readOnly);
  }

  /** A number that is used nowhere else in this pool. */
  nextId(): number {
    return ++this.#ids;
  }

  push(...inputs: Input[]): void {
    this.#inbox.push(...inputs);
  }

  /** One turn of the loop. With `crash` the process dies in it, and the pool is one that started anew. */
  turn(crash?: CrashPoint): void {
    const { state, nowMs, wallMs, random } = this;
    const time = { nowMs, wallMs, random };
    const arrived = this.#arrived();
    this.#crash = crash;
    try {
      runTurnSync(
        state.readOnly ? this.#turns.readOnlyTurn(state, arrived, time) : this.#turns.turn(state, arrived, time),
      );
    } catch (error) {
      if (!(error instanceof Crash)) throw error;
    } finally {
      this.#crash = undefined;
    }
    if (crash) this.restart();
  }

  /** What the turn leaves waits for the next. */
  *#arrived(): Generator<Input> {
    for (let left = this.#inbox.length; left > 0; left--) yield this.#inbox.shift()!;
  }

  #makeTurns(): Turns {
    const { store } = this;
    return new Turns({
      store: {
        fetch: (ids) => store.fetch(ids),
        findBlob: (owner, blob) => store.findBlob(owner, blob),
        due: (wallMs, limit) => store.due(wallMs, limit),
        claim: (lane, after, tasks, bytes) => store.claim(lane, after, tasks, bytes),
        commit: (persist, wallMs) => {
          if (this.#crash === 'before commit') throw new Crash();
          store.commit(persist, wallMs);
        },
      },
      perform: ({ outgoing }) => {
        if (this.#crash) throw new Crash();
        for (const [session, its] of outgoing) this.#send(session, its);
      },
    });
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

  /** The process died: connections and queued inputs are gone; what was committed is not. */
  restart(): void {
    this.#inbox = [];
    this.#turns = this.#makeTurns();
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

  /** What the session was sent since it was last read. */
  read(session: number): Sent {
    const mail = this.#mail.get(session);
    this.#mail.delete(session);
    return mail ?? emptySent();
  }
}

export function emptySent(): Sent {
  const { replays: _, assignment: _1, acknowledgedChunks: _2, ...lists } = makeOutgoing();
  return { ...lists, assignments: [], acknowledgedChunks: [] };
}

/** Lists are joined; of single values (welcome, close) the last one counts. */
function joined(a: Sent, b: Sent): Sent {
  const all: Record<string, unknown> = { ...a };
  for (const [name, value] of Object.entries(b)) {
    const before = all[name];
    if (Array.isArray(before) && Array.isArray(value)) all[name] = [...before, ...value];
    else if (value !== undefined) all[name] = value;
  }
  return all as unknown as Sent;
}
