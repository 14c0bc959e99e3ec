/**
 * One turn: prefetch → step → commit → perform → claim. A coroutine that yields whatever the store answers: the loop
 * awaits what is a promise, tests drive the same turns synchronously. Nothing is performed before the commit returned.
 */
import { type Effects, persists } from '../core/effects.js';
import type { Batch, Input } from '../core/inputs.js';
import { tailOf } from '../core/lane.js';
import { blobsToFind, needTasks } from '../core/prefetch.js';
import type { State } from '../core/state.js';
import { step } from '../core/step.js';
import type { Task } from '../core/task.js';
import type { Awaitable, Store } from '../store/store.js';

const TICK_MS = 1_000;
const DUE_MS = 100;
const DUE_LIMIT = 500;
/** Rows are fetched in slices of so many ids, between which their bytes are counted. */
const FETCH_IDS = 64;
/** Once its inputs needed more than this of rows, a turn takes no further input. */
const FETCH_BYTES = 4 * 1_048_576;

/** How often a loop with nothing to do has to run a turn, for what time alone brings. */
export const IDLE_TURN_MS = DUE_MS;

export type Time = Pick<Batch, 'nowMs' | 'wallMs' | 'random'>;

export interface TurnPorts {
  readonly store: Pick<Store, 'fetch' | 'findBlob' | 'due' | 'claim' | 'commit'>;
  /** Called once the commit is on disk. */
  readonly perform: (effects: Effects, state: State) => void;
  /** Inputs that come with each tick. */
  readonly onTick?: () => readonly Input[];
}

/** A coroutine that yields answers of the store, and is resumed with their values. */
export type Coroutine = Generator<Awaitable<unknown>, void, unknown>;

export class Turns {
  readonly #ports: TurnPorts;
  /** Rows that the last turn claimed: the first inputs of the next, before anything can make them stale. */
  #claimed: Input[] = [];
  #tickAtMs = 0;
  #dueAtMs = 0;

  constructor(ports: TurnPorts) {
    this.#ports = ports;
  }

  get hasClaimed(): boolean {
    return this.#claimed.length > 0;
  }

  /** The state was rebuilt from the store: what was claimed for the old one is void. */
  reset(): void {
    this.#claimed = [];
  }

  /** @param arrived is taken from only as long as the rows that its inputs need stay within a bound */
  *turn(state: State, arrived: Iterable<Input>, time: Time): Coroutine {
    const { store, perform, onTick } = this.#ports;
    const { nowMs, wallMs } = time;
    const inputs = this.#claimed;
    this.#claimed = [];
    const fetched = yield* this.#take(state, inputs, arrived);
    if (nowMs - this.#dueAtMs >= DUE_MS) {
      this.#dueAtMs = nowMs;
      const tasks = yield* answerOf(store.due(wallMs, DUE_LIMIT));
      if (tasks.length > 0) inputs.push({ type: 'due', tasks });
      if (tasks.length === DUE_LIMIT) this.#dueAtMs = 0;
    }
    if (this.#tickIsDue(nowMs)) inputs.push({ type: 'tick' }, ...(onTick?.() ?? []));
    if (inputs.length + state.ready.size + state.freed.size === 0 && !state.placementDue) return;
    const effects = yield* this.#step(state, inputs, fetched, time);
    if (persists(effects.persist)) yield* answerOf(store.commit(effects.persist, wallMs));
    perform(effects, state);
    for (const { lane: id, tasks: asked, bytes } of effects.claims) {
      const lane = state.lanes.get(id);
      if (!lane) continue;
      const tasks = yield* answerOf(store.claim(id, tailOf(lane), asked, bytes));
      this.#claimed.push({ type: 'claimed', lane: id, tasks, asked });
    }
  }

  /** A turn while nothing can be written. Invariant: its step persists nothing. */
  *readOnlyTurn(state: State, arrived: Iterable<Input>, time: Time): Coroutine {
    const inputs: Input[] = [];
    const fetched = yield* this.#take(state, inputs, arrived);
    if (this.#tickIsDue(time.nowMs)) inputs.push({ type: 'tick' });
    if (inputs.length === 0) return;
    const effects = yield* this.#step(state, inputs, fetched, time);
    if (persists(effects.persist)) throw new Error('invariant: a step that only reads has something to write');
    this.#ports.perform(effects, state);
  }

  #tickIsDue(nowMs: number): boolean {
    if (nowMs - this.#tickAtMs < TICK_MS) return false;
    this.#tickAtMs = nowMs;
    return true;
  }

  /** Takes inputs, and fetches the rows that they name and the core does not hold. Each row is fetched once. */
  *#take(
    state: State,
    inputs: Input[],
    arrived: Iterable<Input>,
  ): Generator<Awaitable<unknown>, Map<string, Task>, unknown> {
    const { store } = this.#ports;
    const fetched = new Map<string, Task>();
    const asked = new Set<string>();
    let ids: string[] = [];
    let bytes = 0;
    const need = (id: string) => {
      if (asked.size < asked.add(id).size) ids.push(id);
    };
    function* fetch(atLeast: number): Generator<Awaitable<unknown>, void, unknown> {
      if (ids.length < atLeast) return;
      const rows = yield* answerOf(store.fetch(ids));
      ids = [];
      for (const task of rows) {
        fetched.set(task.id, task);
        bytes += task.input.length + (task.output?.length ?? 0);
      }
    }
    for (const input of arrived) {
      inputs.push(input);
      needTasks(input, state, need);
      yield* fetch(FETCH_IDS);
      if (bytes > FETCH_BYTES) break;
    }
    yield* fetch(1);
    return fetched;
  }

  *#step(
    state: State,
    inputs: readonly Input[],
    fetched: ReadonlyMap<string, Task>,
    time: Time,
  ): Generator<Awaitable<unknown>, Effects, unknown> {
    const { store } = this.#ports;
    const blobsHeld = new Set<string>();
    for (const { owner, blob } of blobsToFind(inputs, state, fetched)) {
      if (yield* answerOf(store.findBlob(owner, blob))) blobsHeld.add(`${owner} ${blob}`);
    }
    return step(state, { ...time, inputs, fetched, blobsHeld });
  }
}

/** Yields an answer to the driver, and resumes with its value. */
function* answerOf<T>(answer: Awaitable<T>): Generator<Awaitable<unknown>, T, unknown> {
  return (yield answer) as T;
}

/** Drives a turn on any store. An answer that is there at once costs no tick of the event loop. */
export async function runTurn(coroutine: Coroutine): Promise<void> {
  for (let next = coroutine.next(); !next.done; ) {
    const { value } = next;
    next = coroutine.next(value instanceof Promise ? await value : value);
  }
}

/** Drives a turn on a store that answers at once. @throws Error where it answers with a promise */
export function runTurnSync(coroutine: Coroutine): void {
  for (let next = coroutine.next(); !next.done; ) {
    if (next.value instanceof Promise) throw new Error('the store answered with a promise');
    next = coroutine.next(next.value);
  }
}
