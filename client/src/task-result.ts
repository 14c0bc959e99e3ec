/** How a task ended, as the SDK reports it. */
import type { Failure, TaskEnd } from '@rma/protocol/task';

/** Where a task's time went, in ms, by the coordinator's clock. */
export interface TaskTimings {
  /** From submission to the start of the last attempt, or to the end where none started. */
  readonly queuedMs: number;
  /** Of the last attempt; undefined where none started. */
  readonly runMs: number | undefined;
  readonly totalMs: number;
}

interface TaskSummary {
  readonly id: string;
  /** Undefined for a task that this client follows by `watch` only. */
  readonly kind: string | undefined;
  /** The worker of the last attempt. */
  readonly worker: string | undefined;
  /** How many attempts began. */
  readonly attempts: number;
  readonly timings: TaskTimings;
}

export interface TaskSucceeded<Output = unknown> extends TaskSummary {
  readonly state: 'succeeded';
  readonly output: Output;
  readonly error?: undefined;
}

export interface TaskFailed extends TaskSummary {
  readonly state: 'failed' | 'cancelled' | 'expired';
  readonly output?: undefined;
  /** `code` is a stable word, such as `input.damaged`, `timeout` or `poison`. */
  readonly error: Failure;
}

/** A result whose large parts are left with the coordinator. */
export type TaskReference = TaskResult & {
  /**
   * The blobs of this task: a map `{ $blob, size, as }` in the output that names one of them stands for it, and `blob()`
   * of the client fetches it. A map of that form with another name is plain data.
   */
  readonly blobs: ReadonlySet<string>;
};

/** Every way in which a task ends. Failure is a value: look at `state`. */
export type TaskResult<Output = unknown> = TaskSucceeded<Output> | TaskFailed;

export function taskResult(end: TaskEnd, kind: string | undefined, output: unknown): TaskResult {
  const { startedAt, submittedAt, endedAt } = end;
  const timings = {
    queuedMs: Math.max(0, (startedAt ?? endedAt) - submittedAt),
    runMs: startedAt === undefined ? undefined : Math.max(0, endedAt - startedAt),
    totalMs: Math.max(0, endedAt - submittedAt),
  };
  const { task: id, worker, attempts } = end;
  if (end.state === 'succeeded') return { id, kind, state: 'succeeded', output, worker, attempts, timings };
  const error = end.error ?? { code: end.state, message: `the task ended as ${end.state}` };
  return { id, kind, state: end.state, error, worker, attempts, timings };
}
