/**
 * A worker on which everything fails at once takes more tasks than any other: it is always free. A failure speaks against
 * a worker only once another one succeeded with the same task, since a bad input fails everywhere. From the third in a row
 *
 *     rest = min(REST_MS * 2^(blame - 3), MAX_REST_MS)
 *
 * in which it gets no tasks; a success ends the row.
 */
import type { Task } from './task.js';
import type { Turn } from './turn.js';
import type { Worker } from './worker.js';

const TOLERATED = 2;
const REST_MS = 1_000;
const MAX_REST_MS = 60_000;

/** The task succeeded: those that failed with it are to blame, and who succeeded is not. */
export function judge(turn: Turn, task: Task): void {
  const { workers } = turn.state;
  const succeeded = task.worker === null ? undefined : workers.get(task.worker);
  if (succeeded) succeeded.blame = 0;
  for (const id of task.triedOn) {
    const worker = id === task.worker ? undefined : workers.get(id);
    if (!worker || ++worker.blame <= TOLERATED) continue;
    const restMs = Math.min(REST_MS * 2 ** (worker.blame - TOLERATED - 1), MAX_REST_MS);
    worker.restUntilMs = Math.max(worker.restUntilMs, turn.batch.nowMs + restMs);
    turn.effects.workers.add(worker);
  }
}

/** Its rest is over. */
export function rested(turn: Turn, worker: Worker): void {
  worker.restUntilMs = 0;
  turn.effects.workers.add(worker);
}
