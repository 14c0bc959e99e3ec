/**
 * Dispatch: the best queued task to the best worker with a free slot, until no lane has both. What a pass looks at is what
 * changed: lanes with a new head look for workers, freed workers look for lanes; all in one order, by priority and arrival.
 * Invariant between passes: no filed lane has a task for a free worker, but for those that `ready` and `freed` still name.
 */

import { dequeue, headOf, type Lane } from './lane.js';
import { taskFor } from './matching/avoidance.js';
import { serviceFor, shareOf } from './matching/fit.js';
import { type Budget, findWorker } from './matching/free-workers.js';
import { Heap } from './matching/heap.js';
import { file, refile, searchOf, unfile } from './matching/lane-search.js';
import { WaitingLanes } from './matching/waiting-lanes.js';
import type { WorkerEntry } from './matching/worker-entry.js';
import { compareTasks, type Task } from './task.js';
import { startAttempt } from './task-lifecycle.js';
import type { Turn } from './turn.js';

/** Workers and lanes that one pass looks at, at up to 1 µs each: what is left over continues in the next turn. */
const LOOKS = 2_048;
/** How often lanes that spare a worker on which their task failed ask again. */
const AVOIDING_MS = 1_000;
/** With so many lanes whose rows are being claimed a pass ends rather than compare each of them. */
const MAX_DRY = 16;

/** A lane that looks for a worker, or one that a freed worker found. The key is its head when it was pushed. */
interface Seeker {
  readonly lane: Lane;
  readonly key: Task;
  /** Of the freed worker; 0 for a lane of its own accord. */
  readonly share: number;
  readonly waiting: WaitingLanes | undefined;
}

const comesFirst = (a: Seeker, b: Seeker): boolean => (compareTasks(a.key, b.key) || b.share - a.share) < 0;

export function schedule(turn: Turn): void {
  new Pass(turn).run();
}

class Pass {
  readonly #turn: Turn;
  readonly #heap = new Heap<Seeker>(comesFirst);
  readonly #budget: Budget = { looks: LOOKS };
  /** Lanes and freed workers that continue in the next turn. */
  readonly #later: (() => void)[] = [];

  constructor(turn: Turn) {
    this.#turn = turn;
  }

  run(): void {
    this.#wakeAvoiding();
    this.#addReady();
    this.#addFreed();
    for (let seeker = this.#heap.pop(); seeker; seeker = this.#heap.pop()) {
      if (seeker.waiting) this.#offerWorker(seeker, seeker.waiting);
      else this.#offerLane(seeker);
    }
    for (const later of this.#later) later();
    this.#turn.state.index.looks += LOOKS - this.#budget.looks;
  }

  #addReady(): void {
    const { ready, avoiding } = this.#turn.state;
    for (const lane of ready) {
      refill(this.#turn, lane);
      refile(lane);
      const key = headOf(lane);
      // A filed lane fits no free worker, whatever its head, unless that head was spared for another worker.
      const settled = lane.search?.filedUnder && !lane.search.scan && !avoiding.has(lane);
      if (!settled) this.#push(lane, key);
    }
    ready.clear();
  }

  #addFreed(): void {
    const { freed, index } = this.#turn.state;
    for (const [worker, its] of freed) {
      const entry = index.entryOf(worker);
      if (!entry) continue;
      index.refresh(entry);
      if (entry.open > 0) this.#pushNext(new WaitingLanes(entry, its));
    }
    freed.clear();
  }

  #pushNext(waiting: WaitingLanes): void {
    const lane = waiting.next(this.#budget);
    if (lane === 'later') this.#keep(waiting);
    else if (lane) {
      this.#heap.push({ lane, key: lane.search!.key!, share: shareOf(waiting.entry, lane), waiting });
    }
  }

  #keep({ entry: { worker }, freed }: WaitingLanes): void {
    this.#later.push(() => this.#turn.state.freed.set(worker, freed));
  }

  /** A lane of its own accord: to the best of the free workers. */
  #offerLane({ lane, key }: Seeker): void {
    const head = headOf(lane);
    if (head !== key) this.#push(lane, head);
    else if (this.#budget.looks <= 0 || !this.#dispatchFrom(lane)) this.#retry(lane);
  }

  /** False where the lane has to go on in the next turn. */
  #dispatchFrom(lane: Lane): boolean {
    const { state, batch } = this.#turn;
    const search = searchOf(state.index.terms, lane);
    const found = findWorker(state, lane, search, batch.nowMs, this.#budget);
    if (!found.entry) {
      file(search, lane);
      if (found.complete && state.catalog.kinds.has(lane.kind)) state.placementDue = true;
      return found.complete;
    }
    if (this.#isAfterUnread(found.entry, lane)) return false;
    this.#dispatch(lane, found.task, found.entry);
    this.#push(lane, headOf(lane));
    return true;
  }

  #push(lane: Lane, key: Task | undefined): void {
    if (key) this.#heap.push({ lane, key, share: 0, waiting: undefined });
  }

  #retry(lane: Lane): void {
    this.#later.push(() => this.#turn.state.ready.add(lane));
  }

  /** A freed worker takes a task of the best lane that waits for one like it. */
  #offerWorker({ lane, key }: Seeker, waiting: WaitingLanes): void {
    const { entry } = waiting;
    if (lane.search?.key === key && headOf(lane) !== key) {
      // Tasks were cancelled: it stands where its head would.
      refill(this.#turn, lane);
      refile(lane);
    }
    if (lane.search?.key === key) {
      const { state, batch } = this.#turn;
      const task = serviceFor(entry, lane) && taskFor(state, lane, entry, batch.nowMs);
      if (task && this.#isAfterUnread(entry, lane)) {
        this.#keep(waiting);
        return;
      }
      if (task) this.#dispatch(lane, task, entry);
      else waiting.skip(lane);
    }
    this.#pushNext(waiting);
  }

  #dispatch(lane: Lane, task: Task, entry: WorkerEntry): void {
    const { state } = this.#turn;
    const live = serviceFor(entry, lane);
    if (!live || !dequeue(lane, task))
      throw new Error(`task ${task.id} cannot be dispatched to ${entry.worker.record.id}`);
    if (!headOf(lane) && lane.beyond > 0) state.unread.set(lane, task);
    startAttempt(this.#turn, task, entry.worker, live);
    state.index.refresh(entry);
    refill(this.#turn, lane);
    refile(lane);
  }

  /**
   * Whether the worker could be for a lane whose next tasks are being read from the store, and come before this lane's for
   * all that is known: after the last one that was taken. They are here in the next turn.
   */
  #isAfterUnread(entry: WorkerEntry, lane: Lane): boolean {
    const { unread } = this.#turn.state;
    if (unread.size === 0) return false;
    let compared = 0;
    for (const [other, last] of unread) {
      if (other === lane || (last && compareTasks(headOf(lane)!, last) < 0)) continue;
      if (++compared > MAX_DRY || serviceFor(entry, other)) return true;
    }
    return false;
  }

  /** Whether another worker could take the tasks that wait for one may have changed, or they waited long enough. */
  #wakeAvoiding(): void {
    const { state, batch } = this.#turn;
    if (state.avoiding.size === 0 || batch.nowMs - state.avoidingAskedMs < AVOIDING_MS) return;
    state.avoidingAskedMs = batch.nowMs;
    for (const [lane, { task }] of state.avoiding) {
      if (!lane.window.includes(task)) state.avoiding.delete(lane);
      unfile(lane);
      state.ready.add(lane);
    }
  }
}

/** Claims stored rows once the window is at most half full, by tasks and by bytes. */
function refill({ state, effects }: Turn, lane: Lane): void {
  const { windowTasks, windowBytes } = state.settings;
  if (lane.beyond === 0) return;
  if (!headOf(lane) && !state.unread.has(lane)) state.unread.set(lane, lane.search?.key ?? null);
  if (lane.claiming || lane.window.length > windowTasks / 2 || lane.windowBytes > windowBytes / 2) return;
  lane.claiming = true;
  effects.claims.push({ lane: lane.id, tasks: windowTasks, bytes: windowBytes });
}
