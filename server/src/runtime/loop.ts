/**
 * The loop: collects what arrives, and runs one turn after another on it (see turn.ts). Under load batches grow by
 * themselves: while one is being committed, the next one gathers. It rebuilds the state when a commit fails.
 */
import type { Effects } from '../core/effects.js';
import type { Input } from '../core/inputs.js';
import { endReadOnly, isDeferrable } from '../core/read-only.js';
import { restore } from '../core/restore.js';
import type { CoreSettings } from '../core/settings.js';
import type { State } from '../core/state.js';
import { StorageFull, type Store } from '../store/store.js';
import { ActiveTime, type Clock } from './clock.js';
import { type Flow, InputQueue, type Taken } from './input-queue.js';
import type { Reserve } from './reserve.js';
import { IDLE_TURN_MS, runTurn, Turns } from './turn.js';

/**
 * What one turn takes at most, in items: some 20 ms of work beside one commit. The rest waits for the next, so that no
 * flood, and no message, delays the replies of the others by more.
 */
const TURN_WORK = 1_024;
/** In read-only mode, between two attempts to write: at once, then `first`, then doubling up to `most`. */
const RETRY_MS = { first: 250, most: 5_000 };
/** Deferred inputs that are kept at most until writing works again. */
const MAX_DEFERRED = 10_000;

export interface LoopOptions {
  readonly store: Store;
  readonly clock: Clock;
  readonly settings: Partial<CoreSettings>;
  readonly builtInKinds: readonly string[];
  readonly reserve: Reserve;
  /**
   * Called once the commit is on disk, in the order of the commits.
   * @param taken what came from each flow since the last call, and takes no room any more
   */
  readonly perform: (effects: Effects, taken: ReadonlyMap<Flow, Taken>) => void;
  /** A commit failed, and the state was reloaded: every session must end, since its peer may have seen a lost state. */
  readonly rebuilt: (reason: string) => void;
  /** Writing works again: most often at once, in the room that the reserve gave up. */
  readonly recovered: () => void;
  /** A broken invariant: the process must stop rather than write from a wrong state. */
  readonly fatal: (error: unknown) => void;
}

export class Loop {
  readonly #options: LoopOptions;
  readonly #turns: Turns;
  /** What the core's deadlines are counted in. */
  readonly #active: ActiveTime;
  #state: State;
  readonly #queue = new InputQueue();
  /** What the running turn took out of the queue, until it is committed. */
  #taken: Input[] = [];
  #turning = false;
  #scheduled = false;
  #closing = false;
  /** Whether the last `storage` event said that the disk is full. */
  #announcedFull = false;
  /** In read-only mode: when to try again to write, and how long to wait after that. */
  #retryAtMs = 0;
  #retryMs = 0;
  #deferred: Input[] = [];
  #timer: NodeJS.Timeout | undefined;
  #idle: (() => void)[] = [];

  private constructor(options: LoopOptions, state: State, active: ActiveTime) {
    this.#options = options;
    this.#active = active;
    this.#state = state;
    this.#turns = new Turns({
      store: options.store,
      perform: (effects) => {
        this.#taken = [];
        options.perform(effects, this.#queue.takeTaken());
      },
      onTick: () => this.#storageChanges(),
    });
  }

  static async start(options: LoopOptions): Promise<Loop> {
    const { store, settings, builtInKinds, clock } = options;
    const stored = await store.load();
    const active = new ActiveTime(clock);
    const state = restore(stored, settings, builtInKinds, active.nowMs());
    const loop = new Loop(options, state, active);
    loop.#timer = setInterval(() => loop.#schedule(), IDLE_TURN_MS);
    loop.#schedule();
    return loop;
  }

  /** The live state; read it, never change it. It is another object after a rebuild. */
  get state(): State {
    return this.#state;
  }

  /**
   * @param bytes of the frame that brought it
   * @param flow whose turn it waits for; default: that of its session, if it has one
   */
  push(input: Input, bytes = 0, flow: Flow | undefined = 'session' in input ? input.session : undefined): void {
    this.#queue.push(input, bytes, flow);
    this.#schedule();
  }

  /** Whether a flow may push so many bytes more; otherwise its peer sends faster than it is served. */
  admits(flow: Flow, bytes: number): boolean {
    return this.#queue.admits(flow, bytes);
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
          if (this.#queue.size > 0 || this.#turns.hasClaimed) this.#schedule();
          else for (const resolve of this.#idle.splice(0)) resolve();
        },
        (error: unknown) => {
          this.#closing = true;
          this.#options.fatal(error);
        },
      );
    });
  }

  /** A full disk may fail reads, too: they settle the journal first. */
  async #guardedTurn(): Promise<void> {
    try {
      const readOnly = this.#state.readOnly && !(await this.#tryToWrite());
      const { clock } = this.#options;
      const time = { nowMs: this.#active.nowMs(), wallMs: clock.wallMs(), random: Math.random() };
      if (this.#active.takeStall()) this.#queue.unshift([{ type: 'stalled' }]);
      if (readOnly) await runTurn(this.#turns.readOnlyTurn(this.#state, this.#undeferred(), time));
      else await runTurn(this.#turns.turn(this.#state, this.#arrived(), time));
    } catch (error) {
      if (!(error instanceof StorageFull)) throw error;
      this.#options.reserve.release();
      await this.#rebuild(error.message);
    }
  }

  /** Whether writing works again, tried if it is time to; then read-only mode ends. */
  async #tryToWrite(): Promise<boolean> {
    const { store, clock, recovered } = this.#options;
    if (clock.nowMs() < this.#retryAtMs) return false;
    if (!(await store.tryToWrite())) {
      this.#waitToRetry();
      return false;
    }
    endReadOnly(this.#state, this.#active.nowMs());
    this.#queue.unshift(this.#deferred);
    this.#deferred = [];
    recovered();
    return true;
  }

  #waitToRetry(): void {
    this.#retryAtMs = this.#options.clock.nowMs() + this.#retryMs;
    this.#retryMs = Math.min(RETRY_MS.most, this.#retryMs * 2 || RETRY_MS.first);
  }

  /** What this turn takes: what it leaves, because that needs too many rows, waits for the next. */
  *#arrived(): Generator<Input, void, undefined> {
    for (const input of this.#queue.take(TURN_WORK)) {
      this.#taken.push(input);
      yield input;
    }
  }

  /** Keeps what can be written later; the rest is answered. */
  *#undeferred(): Generator<Input, void, undefined> {
    for (const input of this.#arrived()) {
      if (!isDeferrable(input)) {
        yield input;
        continue;
      }
      this.#taken.pop();
      if (this.#deferred.length < MAX_DEFERRED) this.#deferred.push(input);
    }
  }

  async #rebuild(reason: string): Promise<void> {
    const { store, settings, builtInKinds, clock } = this.#options;
    const { stopping } = this.#state;
    this.#state = restore(await store.load(), settings, builtInKinds, this.#active.nowMs());
    this.#state.storageFull = true;
    this.#state.readOnly = true;
    // After a while without failures the first retry is immediate again: the reserve's room may suffice.
    if (clock.nowMs() - this.#retryAtMs > 2 * RETRY_MS.most) this.#retryMs = 0;
    this.#waitToRetry();
    this.#announcedFull = false;
    this.#state.stopping = stopping;
    this.#turns.reset();
    // Everything else belongs to sessions that end now: their peers send it again.
    this.#queue.unshift([...this.#taken, ...this.#queue.clear()].filter(isDeferrable));
    this.#taken = [];
    this.#options.rebuilt(reason);
  }

  /** Submits are refused, or admitted again, by the room that is left: an input for each change. */
  #storageChanges(): Input[] {
    const { storageFull } = this.#state;
    const full = this.#options.reserve.isFull(storageFull);
    const changes: Input[] = [];
    // A rebuild sets `storageFull` without an event: it is announced before the state can change back.
    if (storageFull && !this.#announcedFull) changes.push({ type: 'storage', full: true });
    if (full !== storageFull) changes.push({ type: 'storage', full });
    this.#announcedFull = full;
    return changes;
  }
}
