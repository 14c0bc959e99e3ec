/** A task's lifecycle: queued, started, released, ended, queued again. Every change of a task's state happens here. */
import { retryDelayMs } from '@rma/protocol/backoff';
import { type Failure, MAX_LOST } from '@rma/protocol/task';
import { type Attempt, attemptOf, closeAttempt, moveAttempt, openAttempt, recordAttempt } from './attempt.js';
import { count, outgoingOf } from './effects.js';
import { dequeue, enqueue, type Lane } from './lane.js';
import { judge } from './reputation.js';
import { addRunning, kindState, removeRunning, type State } from './state.js';
import { backoffOf, expiryOf, isTrial, MAX_TRIED, maxAttemptsOf, moveTask, type Task, timeoutOf } from './task.js';
import { countLane, countOwner, emitTask, evict, notifyChanged, notifyEnded, type Turn, touch } from './turn.js';
import type { LiveService, Worker } from './worker.js';

/** Backoff after a task's second refusal; it doubles with each further one. */
const REFUSED_MS = 500;

/** Invariant: the lane of a task that has not ended exists. */
export function laneOf(state: State, task: Task): Lane {
  const lane = state.lanes.get(task.lane);
  if (!lane) throw new Error(`task ${task.id}: lane ${task.lane} is gone`);
  return lane;
}

/** Puts a task that is `queued` into its lane; held in memory only if it is among the lane's best. */
export function queueTask(turn: Turn, task: Task): void {
  const { state } = turn;
  const lane = laneOf(state, task);
  task.dueAt = expiryOf(task);
  touch(turn, task);
  countLane(turn, lane, 1, 0);
  state.tasks.set(task.id, task);
  for (const out of enqueue(lane, task, state.settings.windowTasks, state.settings.windowBytes)) evict(turn, out);
  if (state.tasks.has(task.id)) state.ready.add(lane);
}

/** Takes a queued or scheduled task out of the counts, and out of its lane's window if it is held. */
function unqueue(turn: Turn, task: Task): void {
  if (task.state === 'scheduled') {
    turn.state.scheduled--;
    return;
  }
  const lane = laneOf(turn.state, task);
  countLane(turn, lane, -1, 0);
  if (!dequeue(lane, task)) lane.beyond--;
}

/**
 * Dispatches a queued task, which the caller took out of its lane's window, to a worker's service. An attempt that was
 * given up is superseded thereby, and only now a loss; with the MAX_LOST-th one the task ends instead.
 */
export function startAttempt(turn: Turn, task: Task, worker: Worker, live: LiveService): void {
  const { state, batch, effects } = turn;
  moveTask(task, 'running');
  countLane(turn, laneOf(state, task), -1, 0);
  const superseded = forgetLost(turn, task);
  if (superseded && ++task.lost >= MAX_LOST) {
    poison(turn, task, superseded);
    return;
  }
  if (task.lastChunk > 0) effects.persist.dropChunks.push(task.seq);
  task.attempt++;
  task.worker = worker.record.id;
  task.startedAt = batch.wallMs;
  task.dueAt = 0;
  task.lastChunk = 0;
  task.chunkBytes = 0;
  hold(turn, task);
  openAttempt(turn, worker, newAttempt(turn, task, live.service.name), true);
  touch(turn, task);
  emitTask(turn, 'task.dispatched', task, { attempt: task.attempt, worker: worker.record.id });
  outgoingOf(effects, worker.session).dispatches.push({
    task: task.id,
    attempt: task.attempt,
    kind: task.kind,
    input: task.input,
    ...(task.blobs === null ? {} : { blobs: [...task.blobs] }),
    timeoutMs: timeoutOf(task),
  });
  notifyChanged(turn, task);
}

function hold({ state }: Turn, task: Task): void {
  addRunning(state, task);
  state.tasks.set(task.id, task);
}

const deadlineOf = ({ batch, state }: Turn, task: Task): number =>
  batch.nowMs + timeoutOf(task) + state.settings.timeoutSlackMs;

function newAttempt(turn: Turn, task: Task, service: string): Attempt {
  return {
    seq: task.seq,
    task: task.id,
    kind: task.kind,
    attempt: task.attempt,
    startedAt: task.startedAt,
    state: 'running',
    service,
    deadlineMs: deadlineOf(turn, task),
    returns: 0,
    error: null,
    endedAt: 0,
  };
}

/** A worker that was given up reconnects with the task's latest attempt, which was not dispatched again: it continues. */
export function adoptAttempt(turn: Turn, task: Task, worker: Worker): void {
  unqueue(turn, task);
  if (task.state === 'scheduled') moveTask(task, 'queued');
  moveTask(task, 'running');
  task.dueAt = 0;
  hold(turn, task);
  const lost = attemptOf(turn, task);
  if (lost) moveAttempt(turn, worker, lost, 'running', deadlineOf(turn, task));
  else openAttempt(turn, worker, newAttempt(turn, task, ''), false);
  turn.evicted.delete(task.id);
  touch(turn, task);
  notifyChanged(turn, task);
}

/** What is left of an attempt that no longer counts: nothing, a slot that it holds, or that it may return. */
export type Remains = 'nothing' | 'stopping' | 'lost';

/** The task's running attempt no longer counts. */
export function release(turn: Turn, task: Task, remains: Remains): void {
  const { state, batch } = turn;
  removeRunning(state, task);
  const attempt = attemptOf(turn, task);
  const worker = task.worker === null ? undefined : state.workers.get(task.worker);
  if (!worker || !attempt) throw new Error(`task ${task.id}: its attempt ${task.attempt} has no record`);
  if (remains === 'nothing') closeAttempt(turn, worker, attempt);
  else moveAttempt(turn, worker, attempt, remains, remains === 'lost' ? 0 : batch.nowMs + state.settings.stopTimeoutMs);
}

/** Stops an attempt on its worker, whose slot it holds until the agent confirms. */
export function stopAttempt(turn: Turn, task: Task, reason: string): void {
  const worker = task.worker === null ? undefined : turn.state.workers.get(task.worker);
  if (worker && worker.session !== 0) {
    outgoingOf(turn.effects, worker.session).stops.push({ task: task.id, attempt: task.attempt, reason });
  }
  release(turn, task, 'stopping');
}

/** Ends the record of the task's latest attempt if that was given up; why it was. */
function forgetLost(turn: Turn, task: Task): Failure | undefined {
  const attempt = attemptOf(turn, task);
  if (attempt?.state !== 'lost') return undefined;
  closeAttempt(turn, turn.state.workers.get(task.worker!)!, attempt);
  return attempt.error ?? { code: 'lost', message: `worker ${task.worker} was lost` };
}

export interface TaskOutcome {
  readonly output?: Uint8Array;
  readonly blobs?: readonly string[];
  readonly error?: Failure;
}

/** Ends a task, from any open state. The caller has released a running attempt. */
export function endTask(
  turn: Turn,
  task: Task,
  to: 'succeeded' | 'failed' | 'cancelled' | 'expired',
  outcome: TaskOutcome,
): void {
  const { state, batch, effects } = turn;
  if (task.state === 'queued' || task.state === 'scheduled') {
    unqueue(turn, task);
    forgetLost(turn, task);
  }
  if (task.state === 'scheduled') moveTask(task, 'queued');
  // A late result of an attempt that was given up and not dispatched again.
  if (task.state === 'queued' && to === 'succeeded') moveTask(task, 'running');
  moveTask(task, to);
  task.endedAt = batch.wallMs;
  task.dueAt = 0;
  task.output = outcome.output ?? null;
  task.outputBlobs = outcome.blobs?.length ? outcome.blobs : null;
  task.error = outcome.error ?? null;
  countLane(turn, laneOf(state, task), 0, -1);
  countOwner(turn, task.owner, -1);
  count(effects.persist.endedDeltas, to, 1);
  state.ended.set(to, (state.ended.get(to) ?? 0) + 1);
  for (const blob of task.outputBlobs ?? []) effects.persist.blobRefs.push({ owner: task.owner, blob, seq: task.seq });
  touch(turn, task);
  evict(turn, task);
  emitTask(turn, 'task.ended', task, {
    state: to,
    attempt: task.attempt,
    ...(task.worker === null ? {} : { worker: task.worker }),
    ...(task.error === null ? {} : { code: task.error.code }),
  });
  notifyEnded(turn, task);
}

export function succeed(turn: Turn, task: Task, outcome: TaskOutcome, runMs: number | undefined): void {
  const kind = kindState(turn.state, task.kind);
  const ms = runMs ?? Math.max(0, turn.batch.wallMs - task.startedAt);
  kind.meanRunMs = kind.meanRunMs === 0 ? ms : kind.meanRunMs * 0.9 + ms * 0.1;
  endTask(turn, task, 'succeeded', outcome);
  judge(turn, task);
}

/**
 * Queues a task whose attempt was released again, at once or after `delayMs`. With `mayReturn` a late result of the
 * attempt, or its reconnecting worker, is still accepted; otherwise whatever is reported of it later is ignored.
 */
function requeue(turn: Turn, task: Task, error: Failure, delayMs: number, mayReturn: boolean): void {
  recordAttempt(turn, task, error);
  const { worker } = task;
  if (worker !== null && isTrial(error.code)) {
    task.triedOn = [worker, ...task.triedOn.filter((id) => id !== worker)].slice(0, MAX_TRIED);
  }
  const dueAt = delayMs > 0 ? turn.batch.wallMs + delayMs : 0;
  emitTask(turn, 'task.requeued', task, {
    attempt: task.attempt,
    ...(task.worker === null ? {} : { worker: task.worker }),
    code: error.code,
    ...(dueAt ? { dueAt } : {}),
  });
  if (!mayReturn) task.worker = null;
  if (dueAt) {
    moveTask(task, 'scheduled');
    turn.state.scheduled++;
    task.dueAt = dueAt;
    touch(turn, task);
    evict(turn, task);
  } else {
    moveTask(task, 'queued');
    queueTask(turn, task);
  }
  notifyChanged(turn, task, { error });
}

/**
 * The attempt, which was released, ended through no fault of the task's: its worker lost it, refused it, or handed it
 * back. `lost <= MAX_LOST`.
 */
export function loseAttempt(turn: Turn, task: Task, error: Failure, counts: boolean, mayReturn = false): void {
  if (counts) task.lost++;
  if (task.lost >= MAX_LOST) {
    recordAttempt(turn, task, error);
    poison(turn, task, error);
    return;
  }
  // After one refusal another worker may take it at once; repeated ones back off, or they would spin.
  const again = error.code === 'refused' && task.lost > 1;
  const delayMs = again ? retryDelayMs(task.lost - 1, REFUSED_MS, turn.batch.random) : 0;
  requeue(turn, task, error, delayMs, mayReturn);
}

/** No worker survives the task, or takes it. */
function poison(turn: Turn, task: Task, last: Failure): void {
  const message = `${task.lost} attempts were lost with their workers or refused (last: ${last.message}); it is not tried again`;
  endTask(turn, task, 'failed', { error: { code: 'poison', message } });
}

/** The attempt, which was released, failed in its handler: retried with backoff, `failures <= maxAttempts`. */
export function failAttempt(turn: Turn, task: Task, error: Failure, retryable: boolean): void {
  task.failures++;
  if (!retryable || task.failures >= maxAttemptsOf(task)) {
    endTask(turn, task, 'failed', { error });
    return;
  }
  requeue(turn, task, error, retryDelayMs(task.failures, backoffOf(task), turn.batch.random), false);
}
