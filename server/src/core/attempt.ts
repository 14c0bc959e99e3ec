/**
 * Attempts as records, and the one place where their states change. A worker's records say which of its slots are taken:
 *
 *     service.used = |{a in worker.attempts : a.service = service and a.state != 'lost'}|
 *
 * The latest attempt of a task is in the task's row, too, which is all that is left of the one whose result is accepted.
 */
import type { Failure } from '@rma/protocol/task';
import { capacityGrew } from './state.js';
import type { Task } from './task.js';
import type { Turn } from './turn.js';
import type { Worker } from './worker.js';

/**
 * running: it counts, and its task is `running`. stopping: it does not count, and holds its slot until the agent confirms
 * or `stopTimeoutMs` is over. lost: it was given up and holds no slot, but counts again if its worker returns with it; it
 * becomes a loss once the task's next attempt starts.
 */
export type AttemptState = 'running' | 'stopping' | 'lost';

export interface Attempt {
  /** Of its task; 0 where the coordinator does not know the task, which a worker reports all the same. */
  readonly seq: number;
  readonly task: string;
  readonly kind: string;
  readonly attempt: number;
  readonly startedAt: number;
  state: AttemptState;
  /** Whose slot it holds; '' until the worker says what it serves. */
  service: string;
  /** Active ms (see runtime/clock.ts) at which it has run, or been stopping, for too long; 0: never. */
  deadlineMs: number;
  /** Reconnects after which its deadline was put off: bounds how long a worker that never delivers may hold it. */
  returns: number;
  /** Why and when it ended without a result: its line in the task's history. */
  error: Failure | null;
  endedAt: number;
}

export const attemptKey = (task: string, attempt: number): string => `${task}#${attempt}`;

/** The latest attempt of a task, if its worker's records have it. */
export function attemptOf(turn: Pick<Turn, 'state'>, task: Task): Attempt | undefined {
  const worker = task.worker === null ? undefined : turn.state.workers.get(task.worker);
  return worker?.attempts.get(attemptKey(task.id, task.attempt));
}

/** Whether an attempt of the task came to nothing on this worker: it is the last to get the next one. */
export const triedOn = (task: Task, worker: Worker): boolean => task.triedOn.includes(worker.record.id);

/** Adds a record. `isNew`: its number was never used, so that it has no row yet, and none if it ends before the store settles. */
export function openAttempt(turn: Turn, worker: Worker, attempt: Attempt, isNew: boolean): void {
  const key = attemptKey(attempt.task, attempt.attempt);
  worker.attempts.set(key, attempt);
  if (attempt.state === 'running') worker.running++;
  if (attempt.state !== 'lost') take(worker, attempt, 1);
  turn.effects.loads.add(worker);
  write(turn, worker.record.id, attempt, attempt.state, isNew);
}

export function moveAttempt(turn: Turn, worker: Worker, attempt: Attempt, to: AttemptState, deadlineMs: number): void {
  const from = attempt.state;
  attempt.state = to;
  attempt.deadlineMs = deadlineMs;
  worker.running += Number(to === 'running') - Number(from === 'running');
  if (from === 'lost' && to !== 'lost') take(worker, attempt, 1);
  if (from !== 'lost' && to === 'lost') free(turn, worker, attempt);
  if (to === 'running') {
    attempt.error = null;
    attempt.endedAt = 0;
  }
  turn.effects.loads.add(worker);
  write(turn, worker.record.id, attempt, to, false);
}

/** Removes a record. Its row stays if it is part of the task's history. */
export function closeAttempt(turn: Turn, worker: Worker, attempt: Attempt): void {
  worker.attempts.delete(attemptKey(attempt.task, attempt.attempt));
  if (attempt.state === 'running') worker.running--;
  if (attempt.state !== 'lost') free(turn, worker, attempt);
  turn.effects.loads.add(worker);
  if (attempt.error === null) forget(turn, attempt);
  else write(turn, worker.record.id, attempt, 'ended', false);
}

/** A line of the task's history: its latest attempt ended without a result. */
export function recordAttempt(turn: Turn, task: Task, error: Failure): void {
  const endedAt = turn.batch.wallMs;
  const attempt = attemptOf(turn, task);
  if (attempt) {
    attempt.error = error;
    attempt.endedAt = endedAt;
    write(turn, task.worker!, attempt, attempt.state, false);
    return;
  }
  const { seq, id, kind, startedAt } = task;
  const ended = { seq, task: id, kind, attempt: task.attempt, startedAt, endedAt, error };
  write(turn, task.worker ?? '', { ...ended, service: '', deadlineMs: 0, returns: 0 }, 'ended', false);
}

/** Counts the taken slots anew, for services as they were just reported. */
export function countSlots(worker: Worker): void {
  for (const live of worker.services.values()) live.used = 0;
  for (const attempt of worker.attempts.values()) if (attempt.state !== 'lost') take(worker, attempt, 1);
}

/** An attempt whose service is not known, or gone, counts on the first that serves its kind. */
function take(worker: Worker, attempt: Attempt, slots: 1 | -1): void {
  const live = worker.services.get(attempt.service) ?? (slots > 0 ? serving(worker, attempt.kind) : undefined);
  if (!live) return;
  attempt.service = live.service.name;
  live.used += slots;
}

function serving(worker: Worker, kind: string) {
  for (const live of worker.services.values()) if (live.service.kinds.includes(kind)) return live;
  return undefined;
}

function free(turn: Turn, worker: Worker, attempt: Attempt): void {
  take(worker, attempt, -1);
  const live = worker.services.get(attempt.service);
  if (live) capacityGrew(turn.state, worker, live.service.kinds);
}

/** One literal for all of them: it is made for every attempt. */
function write(
  turn: Turn,
  worker: string,
  a: Omit<Attempt, 'state'>,
  state: AttemptState | 'ended',
  isNew: boolean,
): void {
  if (a.seq === 0) return;
  const { attempts } = turn.effects.persist;
  const key = attemptKey(a.task, a.attempt);
  attempts.set(key, {
    seq: a.seq,
    attempt: a.attempt,
    worker,
    service: a.service,
    state,
    startedAt: a.startedAt,
    endedAt: a.endedAt,
    error: a.error,
    isNew: isNew || attempts.get(key)?.isNew === true,
  });
}

function forget(turn: Turn, { seq, task, attempt }: Attempt): void {
  const { attempts } = turn.effects.persist;
  const key = attemptKey(task, attempt);
  if (seq === 0 || (attempts.get(key)?.isNew && attempts.delete(key))) return;
  attempts.set(key, { seq, attempt, state: 'gone', isNew: false });
}
