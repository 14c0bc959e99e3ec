/** Dispatch: the best queued task to the best worker with a free slot, until no lane has both. */

import { triedOn } from './attempt.js';
import { headOf, type Lane, queuedIn, takeHead } from './lane.js';
import { type KindState, kindState, type State } from './state.js';
import { compareTasks, type Task } from './task.js';
import { startAttempt } from './task-lifecycle.js';
import type { Turn } from './turn.js';
import { acceptsTasks, freeService, freeSlotsFor, mismatch, servesKind, type Worker } from './worker.js';

/** Workers with a free slot that are compared for one task at most: a dispatch must not cost work in the pool's size. */
const CANDIDATES = 8;
const MAX_OTHERS = 64;

export function schedule(turn: Turn): void {
  const { state } = turn;
  for (const kind of state.freed) {
    const known = kindState(state, kind);
    known.capacity++;
    for (const lane of known.lanes) if (queuedIn(lane) > 0) state.ready.add(lane);
  }
  state.freed.clear();
  const heap = new LaneHeap();
  for (const lane of state.ready) {
    refill(turn, lane);
    if (headOf(lane) && lane.stuckAt !== kindState(state, lane.kind).capacity) heap.push(lane);
  }
  state.ready.clear();
  for (let lane = heap.pop(); lane; lane = heap.pop()) {
    const task = headOf(lane)!;
    const kind = kindState(state, lane.kind);
    const worker = pickWorker(state, kind, lane, task);
    const live = worker && freeService(worker, lane.kind, lane.constraints.model);
    if (!worker || !live) {
      // A head that spares the workers that tried it is asked again with each tick: others may have gone.
      if (task.triedOn.length === 0) lane.stuckAt = kind.capacity;
      if (state.catalog.kinds.has(lane.kind)) state.placementDue = true;
      continue;
    }
    lane.stuckAt = -1;
    takeHead(lane);
    startAttempt(turn, task, worker, live);
    kind.free.delete(worker);
    if (freeService(worker, lane.kind)) kind.free.add(worker);
    if (headOf(lane)) heap.push(lane);
    refill(turn, lane);
  }
}

/**
 * Of the first CANDIDATES workers with a free slot that the constraints admit, the one with the largest free share. One on
 * which the task came to nothing gets it only where no other could.
 */
function pickWorker(state: State, kind: KindState, lane: Lane, task: Task): Worker | undefined {
  let best: Worker | undefined;
  let bestShare = 0;
  let compared = 0;
  for (const worker of kind.free) {
    if (!acceptsTasks(worker) || !freeService(worker, lane.kind)) {
      kind.free.delete(worker);
      continue;
    }
    if (mismatch(worker, lane.constraints) !== undefined) continue;
    if (triedOn(task, worker) && othersCould(state, lane, task)) continue;
    const free = freeSlotsFor(worker, lane.kind, lane.constraints.model);
    if (free === 0) continue;
    const share = free / (free + worker.running);
    if (share > bestShare) {
      best = worker;
      bestShare = share;
    }
    if (++compared >= CANDIDATES) break;
  }
  return best;
}

/** Whether a worker that has not tried the task serves it, busy or not: asked of the first few that ever did. */
function othersCould(state: State, lane: Lane, task: Task): boolean {
  let asked = 0;
  for (const id of state.knownKinds.get(lane.kind) ?? []) {
    const worker = state.workers.get(id);
    if (++asked > MAX_OTHERS) return false;
    if (!worker || triedOn(task, worker) || !acceptsTasks(worker)) continue;
    if (mismatch(worker, lane.constraints) === undefined && servesKind(worker, lane.kind, lane.constraints.model)) {
      return true;
    }
  }
  return false;
}

/** Claims stored rows once the window is at most half full, by tasks and by bytes. */
function refill(turn: Turn, lane: Lane): void {
  const { windowTasks, windowBytes } = turn.state.settings;
  if (lane.beyond === 0 || lane.claiming || lane.window.length > windowTasks / 2) return;
  if (lane.windowBytes > windowBytes / 2) return;
  lane.claiming = true;
  turn.effects.claims.push({ lane: lane.id, tasks: windowTasks, bytes: windowBytes });
}

/** A binary heap of lanes, ordered by their heads. */
class LaneHeap {
  readonly #lanes: Lane[] = [];

  push(lane: Lane): void {
    const lanes = this.#lanes;
    let at = lanes.length;
    lanes.push(lane);
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (before(lanes[parent]!, lane)) break;
      lanes[at] = lanes[parent]!;
      at = parent;
    }
    lanes[at] = lane;
  }

  pop(): Lane | undefined {
    const lanes = this.#lanes;
    const top = lanes[0];
    const last = lanes.pop();
    if (!top || !last || lanes.length === 0) return top;
    let at = 0;
    for (;;) {
      let child = at * 2 + 1;
      if (child >= lanes.length) break;
      if (child + 1 < lanes.length && before(lanes[child + 1]!, lanes[child]!)) child++;
      if (before(last, lanes[child]!)) break;
      lanes[at] = lanes[child]!;
      at = child;
    }
    lanes[at] = last;
    return top;
  }
}

const before = (a: Lane, b: Lane): boolean => compareTasks(headOf(a)!, headOf(b)!) <= 0;
