/** The live state that the core owns: sessions, workers, lanes, the tasks in memory, and maintained counts. */

import type { Role } from '@rma/protocol/down';
import type { Constraints } from '@rma/protocol/task';
import type { JoinRate } from './enrolment.js';
import { KindHints } from './kind-hints.js';
import { type Lane, laneKey, makeLane, queuedIn } from './lane.js';
import type { Avoiding } from './matching/avoidance.js';
import { endSearch } from './matching/lane-search.js';
import type { Freed } from './matching/waiting-lanes.js';
import { WorkerIndex } from './matching/worker-index.js';
import { type CatalogState, emptyCatalog } from './placement/catalog-state.js';
import type { PlacedRuntime } from './placement/eligibility.js';
import type { Session } from './session.js';
import { type CoreSettings, DEFAULT_CORE_SETTINGS } from './settings.js';
import type { Task } from './task.js';
import type { TokenRecord } from './token.js';
import type { Worker } from './worker.js';

/** Of a task kind, for the life of the process: its lanes and counts, and how long its tasks take. */
export interface KindState {
  readonly lanes: Set<Lane>;
  /** The number of its queued tasks: the sum over its lanes. */
  queued: number;
  /** The number of its tasks in `state.running`. */
  running: number;
  /** Moving mean of run times in ms; 0 before the first. */
  meanRunMs: number;
}

export interface Binding {
  readonly worker: string;
  readonly runtime: PlacedRuntime;
  readonly boundAt: number;
}

export interface State {
  readonly settings: CoreSettings;
  readonly sessions: Map<number, Session>;
  readonly workers: Map<string, Worker>;
  /** Workers by `joinToken joinKey`: a first join is idempotent. */
  readonly joins: Map<string, Worker>;
  readonly tokens: Map<string, TokenRecord>;
  /** The tasks in memory, by id: those within a lane's window, and all that run. */
  readonly tasks: Map<string, Task>;
  /** Changed by {@link addRunning} and {@link removeRunning} alone, which keep the counts by kind. */
  readonly running: Set<Task>;
  readonly lanes: Map<number, Lane>;
  readonly lanesByKey: Map<string, Lane>;
  readonly lanesPerOwner: Map<string, number>;
  readonly kinds: Map<string, KindState>;
  /** By kind: the workers, not revoked, that ever offered it. Built-in kinds always have an entry. */
  readonly knownKinds: Map<string, Set<string>>;
  readonly builtInKinds: Set<string>;
  readonly kindHints: KindHints;
  /** Of each kind that a worker was the first to make known, the worker's join token; and how many kinds each token has. */
  readonly kindTokens: Map<string, string>;
  readonly kindsPerToken: Map<string, number>;
  /** By join token that was used lately. */
  readonly joinRates: Map<string, JoinRate>;
  /** Sessions that watch a task, by task id. */
  readonly watchers: Map<string, Set<number>>;
  readonly openPerOwner: Map<string, number>;
  /** Ended tasks by state, over the life of the pool. */
  readonly ended: Map<string, number>;
  /** Lanes that the next scheduling pass visits. */
  readonly ready: Set<Lane>;
  /** Workers of which slots became free since the last pass. */
  readonly freed: Map<Worker, Freed>;
  /** Lanes of which nothing is in memory while rows are being claimed, by the last task that was: what is claimed comes after it. */
  readonly unread: Map<Lane, Task | null>;
  readonly avoiding: Avoiding;
  /** Monotonic ms at which lanes that avoid a worker were last asked again. */
  avoidingAskedMs: number;
  readonly index: WorkerIndex;
  readonly sessionsByRole: Map<Role, number>;
  queued: number;
  scheduled: number;
  nextSeq: number;
  /** The greatest task id in the store: any id > newestId is new. */
  newestId: string;
  nextLane: number;
  lastEvent: number;
  catalog: CatalogState;
  /** By workload with state: the worker that holds its data, and the runtime in which the data lies. */
  readonly bindings: Map<string, Binding>;
  /** Something that placement depends on changed since it last ran. */
  placementDue: boolean;
  placedAtMs: number;
  /** When forget.ts last looked. */
  forgotAtMs: number;
  /** Monotonic ms until which nothing new is placed while workers from before the start are absent. */
  frozenUntilMs: number;
  /**
   * Active ms until which a session that ends may have been left while this process stood still: its worker may be so far
   * in its backoff that it needs the start's grace.
   */
  stalledUntilMs: number;
  /** The disk is full, but for the reserve: submits are refused. */
  storageFull: boolean;
  /** Nothing at all can be written: a step handles only what read-only.ts admits. */
  readOnly: boolean;
  stopping: boolean;
}

export function makeState(settings: Partial<CoreSettings> = {}): State {
  return {
    settings: { ...DEFAULT_CORE_SETTINGS, ...settings },
    sessions: new Map(),
    workers: new Map(),
    joins: new Map(),
    tokens: new Map(),
    tasks: new Map(),
    running: new Set(),
    lanes: new Map(),
    lanesByKey: new Map(),
    lanesPerOwner: new Map(),
    kinds: new Map(),
    knownKinds: new Map(),
    builtInKinds: new Set(),
    kindHints: new KindHints(),
    kindTokens: new Map(),
    kindsPerToken: new Map(),
    joinRates: new Map(),
    watchers: new Map(),
    openPerOwner: new Map(),
    ended: new Map(),
    ready: new Set(),
    freed: new Map(),
    unread: new Map(),
    avoiding: new Map(),
    avoidingAskedMs: 0,
    index: new WorkerIndex(),
    sessionsByRole: new Map(),
    queued: 0,
    scheduled: 0,
    nextSeq: 1,
    newestId: '',
    nextLane: 1,
    lastEvent: 0,
    catalog: emptyCatalog(),
    bindings: new Map(),
    placementDue: false,
    placedAtMs: Number.NEGATIVE_INFINITY,
    forgotAtMs: 0,
    frozenUntilMs: 0,
    stalledUntilMs: 0,
    storageFull: false,
    readOnly: false,
    stopping: false,
  };
}

export function kindState(state: State, kind: string): KindState {
  let found = state.kinds.get(kind);
  if (!found) {
    found = { lanes: new Set(), queued: 0, running: 0, meanRunMs: 0 };
    state.kinds.set(kind, found);
  }
  return found;
}

export function addRunning(state: State, task: Task): void {
  if (state.running.has(task)) return;
  state.running.add(task);
  kindState(state, task.kind).running++;
}

export function removeRunning(state: State, task: Task): void {
  if (state.running.delete(task)) kindState(state, task.kind).running--;
}

export function addLane(state: State, lane: Lane): void {
  const kind = kindState(state, lane.kind);
  state.lanes.set(lane.id, lane);
  state.lanesByKey.set(lane.key, lane);
  kind.lanes.add(lane);
  kind.queued += queuedIn(lane);
  state.queued += queuedIn(lane);
  state.lanesPerOwner.set(lane.owner, (state.lanesPerOwner.get(lane.owner) ?? 0) + 1);
}

/** Removes a lane without tasks from all that refers to it. */
export function removeLane(state: State, lane: Lane): void {
  state.lanes.delete(lane.id);
  state.lanesByKey.delete(lane.key);
  kindState(state, lane.kind).lanes.delete(lane);
  state.ready.delete(lane);
  state.unread.delete(lane);
  state.avoiding.delete(lane);
  endSearch(state.index.terms, lane);
  const left = (state.lanesPerOwner.get(lane.owner) ?? 1) - 1;
  if (left > 0) state.lanesPerOwner.set(lane.owner, left);
  else state.lanesPerOwner.delete(lane.owner);
}

export function newLane(state: State, kind: string, constraints: Constraints | undefined, owner: string): Lane {
  const lane = makeLane(state.nextLane++, laneKey(kind, constraints), kind, constraints ?? {}, owner);
  addLane(state, lane);
  return lane;
}

/** A worker may have a free slot for these kinds: the lanes that wait for one like it are tried again. */
export function capacityGrew(state: State, worker: Worker, kinds: Iterable<string>): void {
  const freed = state.freed.get(worker);
  if (!freed) {
    state.freed.set(worker, { kinds: new Set(kinds), after: null });
    return;
  }
  for (const kind of kinds) freed.kinds.add(kind);
  freed.after = null;
}

/** Workers changed: the index follows, and lanes that wait for one of them are tried again. */
export function indexWorkers(state: State, workers: Iterable<Worker>): void {
  for (const worker of workers) {
    state.index.update(state, worker);
    const entry = state.index.entryOf(worker);
    if (entry && entry.open > 0) capacityGrew(state, worker, entry.kinds.keys());
  }
}
