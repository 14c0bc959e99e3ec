/** A task in memory: queued within its lane's window, or running. Its state only changes through `moveTask`. */
import {
  type Constraints,
  DEFAULT_BACKOFF_MS,
  DEFAULT_MAX_ATTEMPTS,
  DEFAULT_TIMEOUT_MS,
  type Failure,
  TASK_MOVES,
  type TaskSpec,
  type TaskState,
} from '@rma/protocol/task';

/** The fields of a submit that differ from the defaults, kept as one JSON text. */
export interface TaskOptions {
  readonly timeoutMs?: number;
  readonly maxAttempts?: number;
  readonly backoffMs?: number;
  readonly ttlMs?: number;
  readonly notBefore?: number;
  readonly constraints?: Constraints;
}

/** A task's row in the store, and its live form. Times are wall-clock ms; 0 means none. */
export interface Task {
  /** The coordinator's own order of arrival, and the row's key. */
  readonly seq: number;
  readonly id: string;
  readonly owner: string;
  readonly kind: string;
  readonly lane: number;
  readonly priority: number;
  readonly input: Uint8Array;
  readonly blobs: readonly string[] | null;
  readonly options: TaskOptions | null;
  readonly submittedAt: number;
  state: TaskState;
  /** How many attempts began; the number of the current one. */
  attempt: number;
  failures: number;
  lost: number;
  /** Of the latest attempt; null before the first, and while a task waits whose latest attempt cannot come back. */
  worker: string | null;
  startedAt: number;
  endedAt: number;
  /** When something is due: the end of a wait, or the expiry of a queued task. */
  dueAt: number;
  output: Uint8Array | null;
  outputBlobs: readonly string[] | null;
  error: Failure | null;
  /** What the disk holds; null before the first commit. */
  stored: { readonly state: TaskState; readonly attempt: number } | null;
  /** Of the running attempt, not stored: the service whose slot it takes, its deadline (monotonic), its last chunk. */
  service: string;
  deadlineMs: number;
  lastChunk: number;
  chunkBytes: number;
}

/** The options of a spec that are not defaults; null when none. */
export function optionsOf(spec: TaskSpec): TaskOptions | null {
  const options: Record<string, unknown> = {};
  if (spec.timeoutMs !== undefined) options.timeoutMs = spec.timeoutMs;
  if (spec.maxAttempts !== undefined) options.maxAttempts = spec.maxAttempts;
  if (spec.backoffMs !== undefined) options.backoffMs = spec.backoffMs;
  if (spec.ttlMs !== undefined) options.ttlMs = spec.ttlMs;
  if (spec.notBefore !== undefined) options.notBefore = spec.notBefore;
  if (spec.constraints !== undefined) options.constraints = spec.constraints;
  for (const _ in options) return options;
  return null;
}

export const timeoutOf = (task: Task): number => task.options?.timeoutMs ?? DEFAULT_TIMEOUT_MS;
export const maxAttemptsOf = (task: Task): number => task.options?.maxAttempts ?? DEFAULT_MAX_ATTEMPTS;
export const backoffOf = (task: Task): number => task.options?.backoffMs ?? DEFAULT_BACKOFF_MS;

/** When a task that never started expires; 0 for never. */
export function expiryOf(task: Task): number {
  const ttl = task.options?.ttlMs;
  return ttl === undefined || task.attempt > 0 ? 0 : task.submittedAt + ttl;
}

/** @throws when the table of legal moves does not have it: a defect */
export function moveTask(task: Task, to: TaskState): void {
  if (!TASK_MOVES[task.state].includes(to)) {
    throw new Error(`task ${task.id}: illegal move from ${task.state} to ${to} (attempt ${task.attempt})`);
  }
  task.state = to;
}

/** Order inside a lane and between lanes: priority first, then arrival. Negative when `a` comes first. */
export function compareTasks(a: { priority: number; seq: number }, b: { priority: number; seq: number }): number {
  return b.priority - a.priority || a.seq - b.seq;
}
