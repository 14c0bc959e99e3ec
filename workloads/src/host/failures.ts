/** The failures that do not come from a handler, in the same words for every runtime. */
import type { Execution, Failure, Job } from '../runtime.js';

/** Node's timers overflow above this and fire at once. */
export const LONGEST_TIMER_MS = 2 ** 31 - 1;

export function timeoutFailure(job: Job): Failure {
  const message = `${job.kind} took longer than its ${job.timeoutMs / 1_000} s. Send a smaller input, or allow more time.`;
  return { code: 'timeout', message, retryable: true };
}

export function cancelledFailure(job: Job): Failure {
  return { code: 'cancelled', message: `${job.kind} was cancelled.`, retryable: false };
}

/** Retryable, as the agent's stop is no fault of the task. */
export function stoppedFailure(): Failure {
  return { code: 'cancelled', message: 'The agent stopped while the task ran.', retryable: true };
}

/** The service takes no task now; another worker's may. */
export function unavailableFailure(message: string): Failure {
  return { code: 'service.unavailable', message, retryable: true };
}

/** An execution that failed before it began. */
export function failedExecution(error: Failure): Execution {
  return { done: Promise.resolve({ ok: false, error }), cancel: () => undefined };
}
