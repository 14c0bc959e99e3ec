/**
 * A worker on which an attempt of a task failed or was refused is the last choice for its next one: a machine that fails
 * at once is the one with a free slot, and would get all attempts. The task waits for another worker that could take it,
 * while there is one, for at most AVOID_MS; the tasks behind it go first meanwhile.
 */
import { triedOn } from '../attempt.js';
import type { Lane } from '../lane.js';
import type { State } from '../state.js';
import type { Task } from '../task.js';
import { acceptsTasks } from '../worker.js';
import { suits } from './fit.js';
import { fewestKnown, searchOf } from './lane-search.js';
import type { WorkerEntry } from './worker-entry.js';

/** How long a task waits at most for a worker on which it has not failed. */
const AVOID_MS = 30_000;
/** Tasks of a lane that are held against a worker: those behind them wait. */
const HEADS = 8;
/** Workers that are looked at for another that could take the task. */
const OTHERS = 64;

/** By lane: the task that was the first to avoid a free worker, and since when (monotonic ms). */
export type Avoiding = Map<Lane, { readonly task: Task; readonly sinceMs: number }>;

/** The first task of the lane that is not to avoid the worker; undefined where all that are looked at are. */
export function taskFor(state: State, lane: Lane, entry: WorkerEntry, nowMs: number): Task | undefined {
  const { window } = lane;
  for (let at = window.length - 1; at >= 0 && at >= window.length - HEADS; at--) {
    const task = window[at]!;
    if (!triedOn(task, entry.worker) || !avoids(state, lane, task, nowMs)) return task;
  }
  return undefined;
}

function avoids(state: State, lane: Lane, task: Task, nowMs: number): boolean {
  if (!hasOther(state, lane, task)) return false;
  const since = state.avoiding.get(lane);
  if (since?.task.state === 'queued') return nowMs - since.sinceMs < AVOID_MS;
  state.avoiding.set(lane, { task, sinceMs: nowMs });
  return true;
}

/** Whether a worker that has not tried the task, busy or not, could take it: among the first that are looked at. */
function hasOther({ index }: State, lane: Lane, task: Task): boolean {
  let looked = 0;
  for (const { postings } of fewestKnown(searchOf(index.terms, lane)).source) {
    for (const { entry } of postings) {
      if (++looked > OTHERS) return false;
      if (!triedOn(task, entry.worker) && acceptsTasks(entry.worker) && suits(entry, lane)) return true;
    }
  }
  return false;
}
