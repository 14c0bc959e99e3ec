/** What becomes of a worker's attempts when it reconnects, when it hands them back, and when it is given up. */
import { isTerminal } from '@rma/protocol/task';
import type { Verdict, WorkerHello } from '@rma/protocol/worker';
import { type Attempt, attemptKey, closeAttempt, moveAttempt, openAttempt } from './attempt.js';
import { believeLess } from './matching/believed-slots.js';
import type { Task } from './task.js';
import { adoptAttempt, loseAttempt, release, stopAttempt } from './task-lifecycle.js';
import { emit, findTask, type Turn } from './turn.js';
import type { Worker } from './worker.js';

/** So many reconnects put off an attempt's deadline, so that a worker that never delivers cannot hold it for ever. */
const MAX_RETURNS = 5;

type Reported = WorkerHello['running'][number];

/**
 * A verdict on each attempt that a reconnecting worker reports, running or finished. An attempt that it does not report
 * was lost with the agent if that restarted, and costs the task one loss; else the dispatch never arrived, and is free.
 */
export function reconcile(turn: Turn, worker: Worker, hello: WorkerHello, restarted: boolean): Verdict[] {
  const unreported = new Set(worker.attempts.keys());
  const verdicts: Verdict[] = [];
  for (const reported of hello.running) {
    unreported.delete(attemptKey(reported.task, reported.attempt));
    verdicts.push(verdictOnRunning(turn, worker, reported));
  }
  for (const { task, attempt } of hello.finished) {
    unreported.delete(attemptKey(task, attempt));
    verdicts.push(verdictOnFinished(turn, worker, task, attempt));
  }
  for (const key of unreported) forgotten(turn, worker, worker.attempts.get(key)!, restarted);
  return verdicts;
}

/** The task whose latest attempt this is, if that still counts. */
function current(turn: Turn, worker: Worker, id: string, attempt: number): Task | undefined {
  const task = findTask(turn, id);
  return task && task.worker === worker.record.id && task.attempt === attempt && !isTerminal(task.state)
    ? task
    : undefined;
}

/** The record of a task's attempt that counts; one that was given up counts again. */
function resume(turn: Turn, worker: Worker, task: Task): Attempt {
  if (task.state !== 'running') adoptAttempt(turn, task, worker);
  return worker.attempts.get(attemptKey(task.id, task.attempt))!;
}

/** One that does not count any more keeps its slot until the worker confirms that it stopped. */
function verdictOnRunning(turn: Turn, worker: Worker, { task: id, attempt, service }: Reported): Verdict {
  const task = current(turn, worker, id, attempt);
  if (task) {
    const record = resume(turn, worker, task);
    record.service = service ?? record.service;
    putOff(turn, record, turn.state.settings.timeoutSlackMs);
    return { task: id, attempt, verdict: 'keep', chunk: task.lastChunk };
  }
  const deadlineMs = turn.batch.nowMs + turn.state.settings.stopTimeoutMs;
  const known = worker.attempts.get(attemptKey(id, attempt));
  if (known) {
    known.service = service ?? known.service;
    moveAttempt(turn, worker, known, 'stopping', deadlineMs);
  } else {
    const kind = findTask(turn, id)?.kind ?? '';
    const nothing = { seq: 0, startedAt: 0, returns: 0, error: null, endedAt: 0 };
    const stopping = { ...nothing, task: id, kind, attempt, service: service ?? '', deadlineMs } as const;
    openAttempt(turn, worker, { ...stopping, state: 'stopping' }, false);
  }
  return { task: id, attempt, verdict: 'stop' };
}

/** Its result is about to be resent: the task must not be dispatched again meanwhile. */
function verdictOnFinished(turn: Turn, worker: Worker, id: string, attempt: number): Verdict {
  const task = current(turn, worker, id, attempt);
  if (!task) {
    const known = worker.attempts.get(attemptKey(id, attempt));
    if (known) closeAttempt(turn, worker, known);
    return { task: id, attempt, verdict: 'drop' };
  }
  const record = resume(turn, worker, task);
  putOff(turn, record, turn.state.settings.resendMs);
  return { task: id, attempt, verdict: 'resend', chunk: task.lastChunk };
}

/** A deadline that passed while the worker was away says nothing: the attempt may have ended before. */
function putOff({ batch }: Turn, attempt: Attempt, byMs: number): void {
  const deadlineMs = batch.nowMs + byMs;
  if (attempt.deadlineMs < deadlineMs && attempt.returns++ < MAX_RETURNS) attempt.deadlineMs = deadlineMs;
}

/** An attempt that its worker does not know. One that was given up becomes a loss when the next attempt starts. */
function forgotten(turn: Turn, worker: Worker, attempt: Attempt, restarted: boolean): void {
  if (attempt.state === 'lost' && restarted) return;
  if (attempt.state !== 'running') {
    closeAttempt(turn, worker, attempt);
    return;
  }
  const task = turn.state.tasks.get(attempt.task)!;
  const message = restarted
    ? `worker ${worker.record.id} restarted while it ran this`
    : `worker ${worker.record.id} never got this attempt`;
  release(turn, task, 'nothing');
  loseAttempt(turn, task, { code: 'lost', message }, restarted, !restarted);
}

/** The tasks that run on a worker. */
function runningOn({ state }: Turn, worker: Worker): Task[] {
  const running: Task[] = [];
  for (const { state: its, task } of worker.attempts.values()) {
    if (its === 'running') running.push(state.tasks.get(task)!);
  }
  return running;
}

/** Stops all attempts of a worker and queues their tasks again, at no cost to them. */
export function handBack(turn: Turn, worker: Worker, reason: string): void {
  for (const task of runningOn(turn, worker)) {
    stopAttempt(turn, task, reason);
    loseAttempt(turn, task, { code: 'cancelled', message: `${reason} (${worker.record.id})` }, false);
  }
}

/**
 * The grace is over, or the worker left for good: its tasks are queued again. That is a loss only where another attempt
 * starts before the worker returns with this one; at once for one that cannot return.
 */
export function giveUp(turn: Turn, worker: Worker, reason: string): void {
  const mayReturn = worker.record.revokedAt === 0;
  worker.graceUntilMs = 0;
  turn.effects.workers.add(worker);
  const running = runningOn(turn, worker);
  if (running.length > 0) {
    believeLess(worker);
    emit(turn, 'worker.lost', worker.record.id, '', { attempts: running.length });
  }
  for (const task of running) {
    release(turn, task, mayReturn ? 'lost' : 'nothing');
    loseAttempt(turn, task, { code: 'lost', message: `worker ${worker.record.id} ${reason}` }, !mayReturn, mayReturn);
  }
  if (mayReturn) return;
  for (const attempt of [...worker.attempts.values()]) closeAttempt(turn, worker, attempt);
}
