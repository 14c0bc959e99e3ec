/** Restores the state from the store: at a start, and after a failed commit, when memory is ahead of the disk. */
import type { Lane } from './lane.js';
import { assign } from './placement/assign.js';
import type { CoreSettings } from './settings.js';
import { addLane, addRunning, type Binding, indexWorkers, makeState, type State } from './state.js';
import { type Task, timeoutOf } from './task.js';
import type { TokenRecord } from './token.js';
import { machineOf, makeWorker, type WorkerRecord } from './worker.js';

/** What the store's `load` answers. */
export interface Stored {
  readonly workers: readonly WorkerRecord[];
  readonly tokens: readonly TokenRecord[];
  readonly kinds: readonly { kind: string; worker: string }[];
  readonly bindings: readonly (Binding & { readonly workload: string })[];
  readonly lanes: readonly { lane: Lane; queued: number }[];
  readonly running: readonly Task[];
  readonly owners: readonly { owner: string; open: number }[];
  readonly ended: readonly { state: string; count: number }[];
  readonly scheduled: number;
  readonly nextSeq: number;
  readonly newestId: string;
  readonly nextLane: number;
  readonly lastEvent: number;
}

/** Restored attempts have the start's grace. @throws Error where stored records contradict each other */
export function restore(
  stored: Stored,
  settings: Partial<CoreSettings>,
  builtInKinds: readonly string[],
  nowMs: number,
): State {
  const state = makeState(settings);
  for (const record of stored.workers) {
    const worker = makeWorker(record, assign(machineOf(record), record.pinnedTier, [], state.catalog));
    state.workers.set(record.id, worker);
    state.joins.set(`${record.joinToken} ${record.joinKey}`, worker);
  }
  for (const { workload, ...binding } of stored.bindings) state.bindings.set(workload, binding);
  for (const token of stored.tokens) state.tokens.set(token.id, token);
  for (const kind of builtInKinds) {
    state.builtInKinds.add(kind);
    state.knownKinds.set(kind, new Set());
  }
  for (const { kind, worker } of stored.kinds) {
    const workers = state.knownKinds.get(kind);
    if (workers) workers.add(worker);
    else state.knownKinds.set(kind, new Set([worker]));
  }
  for (const { lane, queued } of stored.lanes) {
    lane.beyond = queued;
    addLane(state, lane);
    if (queued > 0) state.ready.add(lane);
  }
  for (const task of stored.running) {
    state.tasks.set(task.id, task);
    addRunning(state, task);
    const worker = task.worker === null ? undefined : state.workers.get(task.worker);
    if (!worker) throw new Error(`task ${task.id} runs on the unknown worker ${task.worker}`);
    worker.running.set(task.id, task);
  }
  giveGrace(state, nowMs);
  indexWorkers(state, state.workers.values());
  for (const { owner, open } of stored.owners) if (open > 0) state.openPerOwner.set(owner, open);
  for (const { state: name, count } of stored.ended) state.ended.set(name, count);
  state.scheduled = stored.scheduled;
  state.nextSeq = stored.nextSeq;
  state.newestId = stored.newestId;
  state.nextLane = stored.nextLane;
  state.lastEvent = stored.lastEvent;
  return state;
}

/** Gives every attempt the start's grace: its worker has yet to reconnect. */
export function giveGrace(state: State, nowMs: number): void {
  const graceUntilMs = nowMs + state.settings.startGraceMs;
  state.frozenUntilMs = graceUntilMs;
  for (const task of state.running) task.deadlineMs = graceUntilMs + timeoutOf(task);
  for (const worker of state.workers.values()) if (worker.running.size > 0) worker.graceUntilMs = graceUntilMs;
}
