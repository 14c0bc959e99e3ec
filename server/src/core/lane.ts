/**
 * A lane: the queue of one kind and one set of constraints. All its tasks are in the store; the best few are held in its
 * window. Invariants: max(window) < min(stored only) in the order of `compareTasks`; queued = window.length + beyond.
 */
import type { Constraints } from '@rma/protocol/task';
import type { LaneSearch } from './matching/lane-search.js';
import { compareTasks, type Task } from './task.js';

export interface Lane {
  readonly id: number;
  readonly key: string;
  readonly kind: string;
  readonly constraints: Constraints;
  /** Whose submit created it: it counts towards that owner's `maxLanesPerOwner`. */
  readonly owner: string;
  /** The held tasks, best last, so that taking the head is a pop. */
  readonly window: Task[];
  windowBytes: number;
  /** The number of queued tasks that are only in the store. */
  beyond: number;
  /** How it looks for workers, since it first did; see matching/lane-search.ts. */
  search: LaneSearch | null;
  /** The number of its tasks that have not ended: queued, scheduled or running. */
  open: number;
  /** A claim was requested, and its rows are not admitted yet. */
  claiming: boolean;
}

export function makeLane(id: number, key: string, kind: string, constraints: Constraints, owner: string): Lane {
  return {
    id,
    key,
    kind,
    constraints,
    owner,
    window: [],
    windowBytes: 0,
    beyond: 0,
    search: null,
    open: 0,
    claiming: false,
  };
}

/** The canonical text of kind and constraints: the same whatever the order of their fields. Stored: it must not change. */
export function laneKey(kind: string, constraints: Constraints | undefined): string {
  if (!constraints) return kind;
  const { tier, trust, worker, labels, minVramMiB, model } = constraints;
  const sorted = labels && Object.entries(labels).sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
  const rest = minVramMiB === undefined && model === undefined ? [] : [minVramMiB ?? null, model ?? null];
  if (tier === undefined && trust === undefined && worker === undefined && !sorted?.length && !rest.length) return kind;
  return `${kind} ${JSON.stringify([tier ?? null, trust ?? null, worker ?? null, sorted ?? [], ...rest])}`;
}

export const queuedIn = (lane: Lane): number => lane.window.length + lane.beyond;
export const headOf = (lane: Lane): Task | undefined => lane.window[lane.window.length - 1];

/** About the bytes that a held task takes. */
const weight = (task: Task): number => task.input.length + 256;

/** The index at which a task keeps the window sorted, by binary search. */
function indexFor(lane: Lane, task: Task): number {
  let low = 0;
  let high = lane.window.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (compareTasks(lane.window[middle]!, task) < 0) high = middle;
    else low = middle + 1;
  }
  return low;
}

/**
 * Queues a task. Returns the tasks that are only stored from now on, possibly itself: the caller evicts them from memory.
 * At least one task is held, whatever its size.
 */
export function enqueue(lane: Lane, task: Task, maxTasks: number, maxBytes: number): Task[] {
  const { window } = lane;
  const index = indexFor(lane, task);
  const full = window.length >= maxTasks || (lane.windowBytes + weight(task) > maxBytes && window.length > 0);
  if (index === 0 && (lane.beyond > 0 || full)) {
    lane.beyond++;
    return [task];
  }
  window.splice(index, 0, task);
  lane.windowBytes += weight(task);
  const evicted: Task[] = [];
  while (window.length > 1 && (window.length > maxTasks || lane.windowBytes > maxBytes)) {
    const tail = window.shift()!;
    lane.windowBytes -= weight(tail);
    lane.beyond++;
    evicted.push(tail);
  }
  return evicted;
}

/** Takes a held task out; false when it is not held. */
export function dequeue(lane: Lane, task: Task): boolean {
  const last = lane.window.length - 1;
  let at = last;
  if (lane.window[last] !== task) {
    at = indexFor(lane, task) - 1;
    if (lane.window[at] !== task) return false;
  }
  if (at === last) lane.window.pop();
  else lane.window.splice(at, 1);
  lane.windowBytes -= weight(task);
  return true;
}

/** The position after which stored rows are claimed: the window's tail; null for an empty window. */
export function tailOf(lane: Lane): { priority: number; seq: number } | null {
  return lane.window[0] ?? null;
}

/** Admits the rows that follow the window's tail, best first. */
export function admitClaimed(lane: Lane, tasks: readonly Task[]): void {
  lane.window.unshift(...tasks.toReversed());
  for (const task of tasks) {
    lane.windowBytes += weight(task);
    lane.beyond--;
  }
}
