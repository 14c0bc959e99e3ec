/** What becomes of a worker's attempts when it reconnects, when it hands them back, and when it is given up. */
import { isTerminal } from '@rma/protocol/task';
import type { Verdict, WorkerHello } from '@rma/protocol/worker';
import { believeLess } from './matching/believed-slots.js';
import { adoptAttempt, loseAttempt, release, stopAttempt } from './task-lifecycle.js';
import { emit, findTask, type Turn } from './turn.js';
import { attemptKey, type Worker } from './worker.js';

/**
 * A verdict on each attempt that a reconnecting worker reports, running or finished. An attempt that it does not report
 * was lost with the agent if that restarted, and costs the task one loss; else the dispatch never arrived, and is free.
 */
export function reconcile(turn: Turn, worker: Worker, hello: WorkerHello, restarted: boolean): Verdict[] {
  const unreported = new Set(worker.running.keys());
  const verdicts: Verdict[] = [];
  const current = (task: string, attempt: number) => {
    const found = findTask(turn, task);
    const holds = found && found.worker === worker.record.id && found.attempt === attempt && !isTerminal(found.state);
    return holds ? found : undefined;
  };
  for (const { task, attempt } of hello.running) {
    const found = current(task, attempt);
    if (!found) {
      verdicts.push({ task, attempt, verdict: 'stop' });
      worker.stopping.set(attemptKey(task, attempt), { service: '', sinceMs: turn.batch.nowMs });
      continue;
    }
    if (found.state !== 'running') adoptAttempt(turn, found, worker);
    unreported.delete(task);
    verdicts.push({ task, attempt, verdict: 'keep', chunk: found.lastChunk });
  }
  for (const { task, attempt } of hello.finished) {
    const found = current(task, attempt);
    if (!found) {
      verdicts.push({ task, attempt, verdict: 'drop' });
      continue;
    }
    // Its result is about to be resent: the task must not be dispatched again meanwhile.
    if (found.state !== 'running') adoptAttempt(turn, found, worker);
    unreported.delete(task);
    verdicts.push({ task, attempt, verdict: 'resend', chunk: found.lastChunk });
  }
  for (const id of unreported) {
    const task = worker.running.get(id)!;
    const message = restarted
      ? `worker ${worker.record.id} restarted while it ran this`
      : `worker ${worker.record.id} never got this attempt`;
    release(turn, task, true);
    loseAttempt(turn, task, { code: 'lost', message }, restarted, !restarted);
  }
  return verdicts;
}

/** Stops all attempts of a worker and queues their tasks again, at no cost to them. */
export function handBack(turn: Turn, worker: Worker, reason: string): void {
  for (const task of [...worker.running.values()]) {
    stopAttempt(turn, task, reason);
    loseAttempt(turn, task, { code: 'cancelled', message: `${reason} (${worker.record.id})` }, false);
  }
}

/** The grace is over, or the worker left for good: its attempts count as lost, and their tasks are queued again. */
export function giveUp(turn: Turn, worker: Worker, reason: string): void {
  worker.graceUntilMs = 0;
  turn.effects.workers.add(worker);
  const attempts = [...worker.running.values()];
  if (attempts.length === 0) return;
  believeLess(worker);
  emit(turn, 'worker.lost', worker.record.id, '', { attempts: attempts.length });
  for (const task of attempts) {
    release(turn, task, true);
    loseAttempt(turn, task, { code: 'lost', message: `worker ${worker.record.id} ${reason}` }, true, true);
  }
}
