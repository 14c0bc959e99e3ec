/** Restores the state from the store: at a start, and after a failed commit, when memory is ahead of the disk. */
import { SILENCE_MS } from '@rma/protocol/liveness';
import { type Attempt, type AttemptState, attemptKey } from './attempt.js';
import { addKind } from './known-kinds.js';
import type { Lane } from './lane.js';
import { assign } from './placement/assign.js';
import type { CoreSettings } from './settings.js';
import { addLane, addRunning, type Binding, indexWorkers, makeState, type State } from './state.js';
import { type Task, timeoutOf } from './task.js';
import type { TokenRecord } from './token.js';
import { machineOf, makeWorker, type Worker, type WorkerRecord } from './worker.js';

/** A row of an attempt that has not ended, with its task's id and kind. */
export interface StoredAttempt
  extends Pick<Attempt, 'seq' | 'task' | 'kind' | 'attempt' | 'service' | 'startedAt' | 'endedAt' | 'error'> {
  readonly worker: string;
  readonly state: AttemptState;
}

/** What the store's `load` answers. */
export interface Stored {
  readonly workers: readonly WorkerRecord[];
  readonly tokens: readonly TokenRecord[];
  readonly kinds: readonly { kind: string; worker: string }[];
  readonly bindings: readonly (Binding & { readonly workload: string })[];
  readonly lanes: readonly { lane: Lane; queued: number }[];
  readonly running: readonly Task[];
  /** The attempts that last, with what their tasks' rows say of them. */
  readonly attempts: readonly StoredAttempt[];
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
  for (const token of stored.tokens.toSorted((a, b) => a.createdAt - b.createdAt)) {
    state.tokens.set(token.id, token);
    if (token.role === 'worker') state.workers.get(token.subject)?.credentials.push(token.id);
  }
  for (const kind of builtInKinds) {
    state.builtInKinds.add(kind);
    state.knownKinds.set(kind, new Set());
  }
  for (const { kind, worker } of stored.kinds) {
    const known = state.workers.get(worker);
    if (known) addKind(state, known, kind);
  }
  for (const { lane, queued } of stored.lanes) {
    lane.beyond = queued;
    addLane(state, lane);
    if (queued > 0) state.ready.add(lane);
  }
  restoreAttempts(state, stored, nowMs);
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

/** A task that an earlier version left running has no row of its attempt: its own row says what is known of it. */
function restoreAttempts(state: State, { running, attempts }: Stored, nowMs: number): void {
  for (const { worker: id, ...row } of attempts) {
    const worker = state.workers.get(id);
    const deadlineMs = row.state === 'stopping' ? nowMs + state.settings.stopTimeoutMs : 0;
    worker?.attempts.set(attemptKey(row.task, row.attempt), { ...row, deadlineMs, returns: 0 });
  }
  for (const task of running) {
    state.tasks.set(task.id, task);
    addRunning(state, task);
    const worker = task.worker === null ? undefined : state.workers.get(task.worker);
    if (!worker) throw new Error(`task ${task.id} runs on the unknown worker ${task.worker}`);
    worker.running++;
    const key = attemptKey(task.id, task.attempt);
    const record = worker.attempts.get(key) ?? attemptFrom(task);
    record.deadlineMs = nowMs + state.settings.startGraceMs + timeoutOf(task);
    worker.attempts.set(key, record);
  }
}

function attemptFrom({ seq, id, kind, attempt, startedAt }: Task): Attempt {
  const nothing = { service: '', deadlineMs: 0, returns: 0, error: null, endedAt: 0 };
  return { ...nothing, seq, task: id, kind, attempt, startedAt, state: 'running' };
}

/**
 * The grace that fits a start: whoever was away for a minute dials again within 30 s (protocol/src/backoff.ts), plus the
 * time of a dial. Also after the process was suspended, or the disk full, for so long that its peers left.
 */
export function giveGrace(state: State, nowMs: number): void {
  const graceUntilMs = nowMs + state.settings.startGraceMs;
  state.frozenUntilMs = graceUntilMs;
  for (const worker of state.workers.values()) if (isAway(worker)) worker.graceUntilMs = graceUntilMs;
}

/** Sockets that peers left meanwhile are found closed, or silent, within SILENCE_MS of active time. */
export function stalled(state: State, nowMs: number): void {
  state.stalledUntilMs = nowMs + 2 * SILENCE_MS;
  giveGrace(state, nowMs);
}

const isAway = (worker: Worker): boolean => worker.session === 0 && worker.running > 0;
