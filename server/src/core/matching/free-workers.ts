/**
 * A lane looks for a worker: among the free ones of its smallest source, at a bounded number, beginning where the last
 * search ended. Where it finds none among so many, a scan goes on through all of them, a slice in each turn.
 */
import type { Lane } from '../lane.js';
import type { State } from '../state.js';
import type { Task } from '../task.js';
import { taskFor } from './avoidance.js';
import { serviceFor, shareOf } from './fit.js';
import { fewestFree, type LaneSearch, type Scan } from './lane-search.js';
import type { WorkerEntry } from './worker-entry.js';

/** Workers that could take the task, compared by their free share. */
const CANDIDATES = 8;
/** Workers that are looked at for one task. */
const LOOKS = 64;
/** Workers that a scan looks at in one turn. */
const SLICE = 512;

/** How much one pass may still look at; what is left over continues in the next turn. */
export interface Budget {
  looks: number;
}

export interface Choice {
  readonly entry: WorkerEntry;
  readonly task: Task;
}

/** The choice, and otherwise whether every free worker was held against the lane. */
export type Found = Choice | { readonly entry: undefined; readonly complete: boolean };

/** Decides about one worker: the lane's task for it, or undefined. */
type Ask = (entry: WorkerEntry) => Task | undefined;

export function findWorker(state: State, lane: Lane, search: LaneSearch, nowMs: number, budget: Budget): Found {
  const ask: Ask = (entry) => (serviceFor(entry, lane) ? taskFor(state, lane, entry, nowMs) : undefined);
  if (search.scan) return continueScan(search, search.scan, ask, budget);
  const { source, size } = fewestFree(search);
  let best: Choice | undefined;
  let bestShare = 0;
  let looks = 0;
  let compared = 0;
  for (const term of source) {
    const first = term.turn++;
    for (let i = 0; i < term.free && looks < LOOKS && compared < CANDIDATES; i++) {
      const { entry } = term.postings[(first + i) % term.free]!;
      looks++;
      const task = ask(entry);
      if (!task) continue;
      compared++;
      const share = shareOf(entry, lane);
      if (share <= bestShare) continue;
      best = { entry, task };
      bestShare = share;
    }
  }
  budget.looks -= looks;
  if (best) return best;
  if (looks >= size) return { entry: undefined, complete: true };
  search.scan = { source, term: source.length - 1, at: Number.POSITIVE_INFINITY };
  return { entry: undefined, complete: false };
}

/**
 * Goes backwards: a worker that fills up is swapped with the last free one, which was seen already, and one that becomes free
 * is added behind, and finds the lane itself. So none is missed, however many turns it takes.
 */
function continueScan(search: LaneSearch, scan: Scan, ask: Ask, budget: Budget): Found {
  for (let looks = Math.min(SLICE, budget.looks); scan.term >= 0; ) {
    const term = scan.source[scan.term]!;
    scan.at = Math.min(scan.at, term.free);
    if (scan.at === 0) {
      scan.term--;
      scan.at = Number.POSITIVE_INFINITY;
      continue;
    }
    if (looks-- <= 0) return { entry: undefined, complete: false };
    budget.looks--;
    const { entry } = term.postings[--scan.at]!;
    const task = ask(entry);
    if (task) {
      // It may have room for more: the scan looks at it again.
      scan.at++;
      return { entry, task };
    }
  }
  search.scan = null;
  return { entry: undefined, complete: true };
}
