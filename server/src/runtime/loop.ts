/**
 * The loop: collect what arrived since the last turn, fetch the rows that it names, step the core, commit all of it in
 * one transaction, and only then let anything leave. Under load batches grow by themselves.
 */
import type { Effects } from '../core/effects.js';
import { persists } from '../core/effects.js';
import type { Batch, Input } from '../core/inputs.js';
import { tailOf } from '../core/lane.js';
import { endReadOnly, isDeferrable } from '../core/read-only.js';
import { restore } from '../core/restore.js';
import type { CoreSettings } from '../core/settings.js';
import type { State } from '../core/state.js';
import { step } from '../core/step.js';
import type { Task } from '../core/task.js';
import { StorageFull, type Store } from '../store/store.js';
import type { Clock } from './clock.js';
import { namedBlobs, namedTasks } from './named.js';
import type { Reserve } from './reserve.js';

const TICK_MS = 1_000;
const DUE_MS = 100;
const DUE_LIMIT = 500;
/** The most inputs that one turn takes; more wait for the next, so that a flood does not delay what was committed. */
const MAX_INPUTS = 4_096;
/** Between two looks whether writing works again: from the second failure on, twice as long after each. */
const RETRY_MS = { first: 250, most: 5_000 };
/** So many inputs at most wait for that. */
const MAX_LATER = 10_000;

export interface LoopOptions {
  readonly store: Store;
  readonly clock: Clock;
  readonly settings: Partial<CoreSettings>;
  readonly builtInKinds: readonly string[];
  readonly reserve: Reserve;
  /** Called after the commit, in the order of the commits. */
  readonly perform: (effects: Effects, state: State) => void;
  /** Memory was ahead of a disk that took no more: every session must end, since what it was told may not hold. */
  readonly rebuilt: (reason: string) => void;
  /** Writing works again: most often at once, with the room that was kept for results. */
  readonly recovered: () => void;
  /** A broken invariant: the process must stop before it does harm. */
  readonly fatal: (error: unknown) => void;
}

export class Loop {
  readonly #options: LoopOptions;
  #state: State;
  #inbox: Input[] = [];
  /** What the turn took out of it, until that is committed. */
  #taken: readonly Input[] = [];
  /** Claimed rows: before everything else, so that none of them is stale. */
  #claimed: Input[] = [];
  #turning = false;
  #scheduled = false;
  #closing = false;
  #tickAtMs = 0;
  #dueAtMs = 0;
  #announcedFull = false;
  /** While nothing can be written: when to try again, and how long to wait after that. */
  #retryAtMs = 0;
  #retryMs = 0;
  /** What is to be written down once that is possible. */
  #later: Input[] = [];
  #timer: NodeJS.Timeout | undefined;
  #idle: (() => void)[] = [];

  private constructor(options: LoopOptions, state: State) {
    this.#options = options;
    this.#state = state;
  }

  static async start(options: LoopOptions): Promise<Loop> {
    const { store, settings, builtInKinds, clock } = options;
    const state = restore(await store.load(), settings, builtInKinds, clock.nowMs());
    const loop = new Loop(options, state);
    loop.#timer = setInterval(() => loop.#schedule(), DUE_MS);
    loop.#schedule();
    return loop;
  }

  /** The live state; read it, never change it. It is another object after a rebuild. */
  get state(): State {
    return this.#state;
  }

  push(input: Input): void {
    this.#inbox.push(input);
    this.#schedule();
  }

  /** Runs what was pushed so far, then stops. */
  async stop(): Promise<void> {
    this.#state.stopping = true;
    clearInterval(this.#timer);
    await new Promise<void>((resolve) => {
      this.#idle.push(resolve);
      this.#schedule();
    });
    this.#closing = true;
  }

  #schedule(): void {
    if (this.#scheduled || this.#turning || this.#closing) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      this.#turning = true;
      this.#guardedTurn().then(
        () => {
          this.#turning = false;
          if (this.#inbox.length > 0 || this.#claimed.length > 0) this.#schedule();
          else for (const resolve of this.#idle.splice(0)) resolve();
        },
        (error: unknown) => {
          this.#closing = true;
          this.#options.fatal(error);
        },
      );
    });
  }

  /** A disk that takes nothing shows at any reading, too: what is pending has to be written first. */
  async #guardedTurn(): Promise<void> {
    try {
      if (!this.#state.readOnly || (await this.#writable())) await this.#turn();
      else await this.#readOnlyTurn();
    } catch (error) {
      if (!(error instanceof StorageFull)) throw error;
      this.#options.reserve.release();
      await this.#rebuild(error.message);
    }
  }

  /** Tries whether the store takes writes again, if it is time to; if so the core goes on as usual. */
  async #writable(): Promise<boolean> {
    const { store, clock, recovered } = this.#options;
    if (clock.nowMs() < this.#retryAtMs) return false;
    if (!(await store.tryToWrite())) {
      this.#waitToRetry();
      return false;
    }
    endReadOnly(this.#state, clock.nowMs());
    this.#inbox = [...this.#later, ...this.#inbox];
    this.#later = [];
    recovered();
    return true;
  }

  #waitToRetry(): void {
    this.#retryAtMs = this.#options.clock.nowMs() + this.#retryMs;
    this.#retryMs = Math.min(RETRY_MS.most, this.#retryMs * 2 || RETRY_MS.first);
  }

  async #readOnlyTurn(): Promise<void> {
    const { clock } = this.#options;
    const nowMs = clock.nowMs();
    const inputs: Input[] = [];
    for (const input of this.#takeInbox()) {
      if (!isDeferrable(input)) inputs.push(input);
      else if (this.#later.length < MAX_LATER) this.#later.push(input);
    }
    if (nowMs - this.#tickAtMs >= TICK_MS) {
      this.#tickAtMs = nowMs;
      inputs.push({ type: 'tick' });
    }
    if (inputs.length === 0) return;
    const effects = await this.#step(inputs, nowMs, clock.wallMs());
    if (persists(effects.persist)) throw new Error('invariant: a step that only reads has something to write');
    this.#options.perform(effects, this.#state);
  }

  #takeInbox(): Input[] {
    let taken = this.#inbox;
    if (taken.length > MAX_INPUTS) taken = this.#inbox.splice(0, MAX_INPUTS);
    else this.#inbox = [];
    this.#taken = taken;
    return taken;
  }

  async #step(inputs: readonly Input[], nowMs: number, wallMs: number): Promise<Effects> {
    const fetched = await this.#fetch(inputs);
    const blobsHeld = await this.#blobsHeld(inputs, fetched);
    const batch: Batch = { nowMs, wallMs, random: Math.random(), inputs, fetched, blobsHeld };
    return step(this.#state, batch);
  }

  async #turn(): Promise<void> {
    const { store, clock } = this.#options;
    const nowMs = clock.nowMs();
    const wallMs = clock.wallMs();
    const arrived = this.#takeInbox();
    const inputs = this.#claimed.length > 0 ? [...this.#claimed, ...arrived] : arrived;
    this.#claimed = [];
    if (nowMs - this.#dueAtMs >= DUE_MS) {
      this.#dueAtMs = nowMs;
      const answer = store.due(wallMs, DUE_LIMIT);
      const tasks = answer instanceof Promise ? await answer : answer;
      if (tasks.length > 0) inputs.push({ type: 'due', tasks });
      if (tasks.length === DUE_LIMIT) this.#dueAtMs = 0;
    }
    if (nowMs - this.#tickAtMs >= TICK_MS) {
      this.#tickAtMs = nowMs;
      inputs.push({ type: 'tick' });
      this.#watchSpace(inputs);
    }
    if (inputs.length === 0 && this.#state.ready.size === 0 && !this.#state.placementDue) return;
    const effects = await this.#step(inputs, nowMs, wallMs);
    await this.#commit(effects, wallMs);
    this.#taken = [];
    this.#options.perform(effects, this.#state);
    for (const { lane: id, tasks, bytes } of effects.claims) {
      const lane = this.#state.lanes.get(id);
      if (!lane) continue;
      const answer = store.claim(id, tailOf(lane), tasks, bytes);
      const claimed = answer instanceof Promise ? await answer : answer;
      this.#claimed.push({ type: 'claimed', lane: id, tasks: claimed, asked: tasks });
    }
  }

  async #fetch(inputs: readonly Input[]): Promise<ReadonlyMap<string, Task>> {
    const ids = namedTasks(inputs, this.#state);
    if (ids.length === 0) return NOTHING;
    const answer = this.#options.store.fetch(ids);
    const tasks = answer instanceof Promise ? await answer : answer;
    return tasks.length === 0 ? NOTHING : new Map(tasks.map((task) => [task.id, task]));
  }

  async #blobsHeld(inputs: readonly Input[], fetched: ReadonlyMap<string, Task>): Promise<ReadonlySet<string>> {
    const named = namedBlobs(inputs, this.#state, fetched);
    const held = new Set<string>();
    for (const { owner, blob } of named) {
      const answer = this.#options.store.findBlob(owner, blob);
      const found = answer instanceof Promise ? await answer : answer;
      if (found) held.add(`${owner} ${blob}`);
    }
    return held;
  }

  async #commit(effects: Effects, wallMs: number): Promise<void> {
    if (!persists(effects.persist)) return;
    const done = this.#options.store.commit(effects.persist, wallMs);
    if (done instanceof Promise) await done;
  }

  async #rebuild(reason: string): Promise<void> {
    const { store, settings, builtInKinds, clock } = this.#options;
    const { stopping } = this.#state;
    this.#state = restore(await store.load(), settings, builtInKinds, clock.nowMs());
    this.#state.storageFull = true;
    this.#state.readOnly = true;
    // Once that worked for a while the room that was given up may do: then there is no wait.
    if (clock.nowMs() - this.#retryAtMs > 2 * RETRY_MS.most) this.#retryMs = 0;
    this.#waitToRetry();
    this.#announcedFull = false;
    this.#state.stopping = stopping;
    this.#claimed = [];
    // What else came over sessions that end now: their peers send it again.
    this.#inbox = [...this.#taken, ...this.#inbox].filter(isDeferrable);
    this.#taken = [];
    this.#options.rebuilt(reason);
  }

  /** Enters and leaves the state in which submits are refused, by the room that is left. */
  #watchSpace(inputs: Input[]): void {
    const { storageFull } = this.#state;
    const full = this.#options.reserve.isFull(storageFull);
    // After a rebuild submits are refused before any event tells of it, and room may be back by now.
    if (storageFull && !this.#announcedFull) inputs.push({ type: 'storage', full: true });
    if (full !== storageFull) inputs.push({ type: 'storage', full });
    this.#announcedFull = full;
  }
}

const NOTHING: ReadonlyMap<string, Task> = new Map();
