/**
 * A lane: the queued tasks of one kind and one set of constraints. All of them lie in the store; the best few are
 * held here. Invariant: every held task comes before every task that is only stored.
 */
import type { Constraints } from '@rma/protocol/task';
import { compareTasks, type Task } from './task.js';

export interface Lane {
  readonly id: number;
  readonly key: string;
  readonly kind: string;
  readonly constraints: Constraints;
  /** Who brought it into being; counts against that owner's lanes. */
  readonly owner: string;
  /** Best last, so that taking the head is a pop. */
  readonly window: Task[];
  windowBytes: number;
  /** Queued tasks that lie only in the store. */
  beyond: number;
  /** The kind's capacity version at which nothing here could be placed; -1 when it is worth a look. */
  stuckAt: number;
  /** Tasks of this lane that have not ended: queued, scheduled or running. */
  open: number;
  /** A claim is on its way. */
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
    stuckAt: -1,
    open: 0,
    claiming: false,
  };
}

/** The same text for the same kind and constraints, whatever the order of their fields. */
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

const weight = (task: Task): number => task.input.length + 256;

function placeOf(lane: Lane, task: Task): number {
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
 * Queues a task. Answers the tasks that left memory for it (possibly itself): they are only stored from then on; the
 * caller forgets them. One task at least is held, whatever its size.
 */
export function enqueue(lane: Lane, task: Task, maxTasks: number, maxBytes: number): Task[] {
  const { window } = lane;
  const place = placeOf(lane, task);
  const full = window.length >= maxTasks || (lane.windowBytes + weight(task) > maxBytes && window.length > 0);
  if (place === 0 && (lane.beyond > 0 || full)) {
    lane.beyond++;
    return [task];
  }
  window.splice(place, 0, task);
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

/** Takes out the best held task. */
export function takeHead(lane: Lane): Task | undefined {
  const task = lane.window.pop();
  if (task) lane.windowBytes -= weight(task);
  return task;
}

/** Takes a held task out; false when it is not held. */
export function dequeue(lane: Lane, task: Task): boolean {
  const last = lane.window.length - 1;
  let at = last;
  if (lane.window[last] !== task) {
    at = placeOf(lane, task) - 1;
    if (lane.window[at] !== task) return false;
  }
  if (at === last) lane.window.pop();
  else lane.window.splice(at, 1);
  lane.windowBytes -= weight(task);
  return true;
}

/** The position behind which stored rows are claimed: the window's tail. */
export function tailOf(lane: Lane): { priority: number; seq: number } | null {
  return lane.window[0] ?? null;
}

/** Rows that follow the window's tail, best first, come into memory. */
export function admitClaimed(lane: Lane, tasks: readonly Task[]): void {
  lane.window.unshift(...tasks.toReversed());
  for (const task of tasks) {
    lane.windowBytes += weight(task);
    lane.beyond--;
  }
}
