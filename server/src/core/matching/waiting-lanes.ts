/**
 * A worker with a freed slot looks for a lane: among those filed under its own terms, for the kinds that the slot serves,
 * the best head first. Lanes that name a term that it lacks are not even looked at.
 */
import type { Lane } from '../lane.js';
import { compareTasks, type Task } from '../task.js';
import { serviceFor } from './fit.js';
import type { Budget } from './free-workers.js';
import { firstAfter } from './lane-search.js';
import type { KindPosting, WorkerEntry } from './worker-entry.js';

/** What a worker's freed slots serve, and how far among the waiting lanes the last pass came for it; null: begin. */
export interface Freed {
  readonly kinds: Set<string>;
  after: Task | null;
}

export class WaitingLanes {
  readonly entry: WorkerEntry;
  readonly freed: Freed;
  readonly #lists: { readonly kind: KindPosting; readonly lanes: Lane[] }[] = [];

  constructor(entry: WorkerEntry, freed: Freed) {
    this.entry = entry;
    this.freed = freed;
    for (const name of freed.kinds) {
      const kind = entry.kinds.get(name);
      if (kind) this.#addLists(kind, name);
    }
  }

  #addLists(kind: KindPosting, name: string): void {
    const own = kind.term.waiting.get(name);
    if (own) this.#lists.push({ kind, lanes: own });
    for (const { term } of this.entry.traits) {
      const lanes = term.waiting.size === 0 ? undefined : term.waiting.get(name);
      if (lanes) this.#lists.push({ kind, lanes });
    }
  }

  /** The best lane behind `freed.after` that the worker could take a task of; 'later' where the budget is used up. */
  next(budget: Budget): Lane | 'later' | undefined {
    for (;;) {
      const lane = this.#following();
      if (!lane) return undefined;
      if (budget.looks <= 0) return 'later';
      budget.looks--;
      if (serviceFor(this.entry, lane)) return lane;
      this.skip(lane);
    }
  }

  skip(lane: Lane): void {
    this.freed.after = lane.search!.key;
  }

  #following(): Lane | undefined {
    let best: Lane | undefined;
    for (const { kind, lanes } of this.#lists) {
      if (kind.open === 0) continue;
      const lane = lanes[firstAfter(lanes, this.freed.after)];
      if (lane && (!best || compareTasks(lane.search!.key!, best.search!.key!) < 0)) best = lane;
    }
    return best;
  }
}
