/** The failures that end an execution from outside, in the same words for every embedded workload. */
import type { Failure, Job } from '../runtime.js';

/** Node's timers overflow above this and fire at once. */
export const LONGEST_TIMER_MS = 2 ** 31 - 1;

export function timeoutFailure(job: Job): Failure {
  const message = `${job.kind} took longer than its ${job.timeoutMs / 1_000} s. Send a smaller input, or allow more time.`;
  return { code: 'timeout', message, retryable: true };
}

export function cancelledFailure(job: Job): Failure {
  return { code: 'cancelled', message: `${job.kind} was cancelled.`, retryable: false };
}

/** The agent's own stop is no fault of the task: another attempt is due. */
export function stoppedFailure(): Failure {
  return { code: 'cancelled', message: 'The agent stopped while the task ran.', retryable: true };
}
