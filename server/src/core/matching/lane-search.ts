/**
 * A lane's side of the index: the terms that it looks for workers by, and where it is filed while it waits. Invariant: a lane
 * that is filed has been held against every free worker, or is still being (`scan`); whoever frees a slot finds it by one
 * of the terms it is filed under. Filed lanes are sorted by the head that they had when they were filed.
 */
import { headOf, type Lane } from '../lane.js';
import { compareTasks, type Task } from '../task.js';
import { freeIn, sizeOf, type Term, type Terms } from './term.js';
import { constraintKeys, kindKey } from './term-keys.js';

/** How far a search through more workers than one turn looks at has come: backwards, for swaps move only what was seen. */
export interface Scan {
  readonly source: readonly Term[];
  term: number;
  at: number;
}

export interface LaneSearch {
  /** A worker for the lane has a term of each. The first is its kind. */
  readonly sources: readonly (readonly Term[])[];
  /** The source that it is filed under; null while it is not filed. */
  filedUnder: readonly Term[] | null;
  /** The head by which it is sorted there. */
  key: Task | null;
  scan: Scan | null;
}

export function searchOf(terms: Terms, lane: Lane): LaneSearch {
  if (lane.search) return lane.search;
  const keys = [[kindKey(lane.kind)], ...constraintKeys(lane.constraints)];
  const sources = keys.map((source) => source.map((key) => terms.obtain(key)));
  for (const term of sources.flat()) term.lanes++;
  lane.search = { sources, filedUnder: null, key: null, scan: null };
  return lane.search;
}

/** The lane is gone: the terms that only it named go with it. */
export function endSearch(terms: Terms, lane: Lane): void {
  const { search } = lane;
  if (!search) return;
  unfile(lane);
  for (const term of search.sources.flat()) {
    term.lanes--;
    terms.release(term);
  }
  lane.search = null;
}

/** The source with the fewest workers to look at. */
export function smallest(
  sources: LaneSearch['sources'],
  size: (source: readonly Term[]) => number,
): { source: readonly Term[]; size: number } {
  let source = sources[0]!;
  let least = size(source);
  for (let i = 1; i < sources.length && least > 0; i++) {
    const candidate = size(sources[i]!);
    if (candidate >= least) continue;
    source = sources[i]!;
    least = candidate;
  }
  return { source, size: least };
}

export const fewestFree = (search: LaneSearch) => smallest(search.sources, freeIn);
export const fewestKnown = (search: LaneSearch) => smallest(search.sources, sizeOf);

/** Files a lane under its most selective source, that as few freed slots as possible have to look at it. */
export function file(search: LaneSearch, lane: Lane): void {
  const head = headOf(lane);
  if (!head || search.filedUnder) return;
  search.filedUnder = fewestKnown(search).source;
  insert(search, lane, head);
}

/** Its head changed: sorts it anew, or takes it out where it holds none. */
export function refile(lane: Lane): void {
  const { search } = lane;
  const head = headOf(lane);
  if (!search?.filedUnder || search.key === head) return;
  if (!head) {
    unfile(lane);
    return;
  }
  remove(search, lane);
  insert(search, lane, head);
}

export function unfile(lane: Lane): void {
  const { search } = lane;
  if (!search?.filedUnder) return;
  remove(search, lane);
  for (const { waiting } of search.filedUnder) if (waiting.get(lane.kind)?.length === 0) waiting.delete(lane.kind);
  search.filedUnder = null;
  search.key = null;
  search.scan = null;
}

function insert(search: LaneSearch, lane: Lane, head: Task): void {
  search.key = head;
  for (const { waiting } of search.filedUnder!) {
    const lanes = waiting.get(lane.kind);
    if (lanes) lanes.splice(firstAfter(lanes, head), 0, lane);
    else waiting.set(lane.kind, [lane]);
  }
}

function remove(search: LaneSearch, lane: Lane): void {
  for (const { waiting } of search.filedUnder!) {
    const lanes = waiting.get(lane.kind)!;
    const at = firstAfter(lanes, search.key!) - 1;
    if (lanes[at] !== lane) throw new Error(`lane ${lane.key} is not where it was filed`);
    lanes.splice(at, 1);
  }
}

/** The index of the first lane filed behind a task. */
export function firstAfter(lanes: readonly Lane[], task: Task | null): number {
  if (task === null) return 0;
  let low = 0;
  let high = lanes.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (compareTasks(lanes[middle]!.search!.key!, task) > 0) high = middle;
    else low = middle + 1;
  }
  return low;
}
