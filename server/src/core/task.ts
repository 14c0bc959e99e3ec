/** A task: its row in the store and its form in memory are one record. Its state only changes through `moveTask`. */
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

/** The fields of a submit that differ from the defaults; stored as one JSON text. */
export interface TaskOptions {
  readonly timeoutMs?: number;
  readonly maxAttempts?: number;
  readonly backoffMs?: number;
  readonly ttlMs?: number;
  readonly notBefore?: number;
  readonly constraints?: Constraints;
}

/** Times are wall-clock ms; 0 means none. */
export interface Task {
  /** Numbered by arrival; the row's key. */
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
  /** The number of the latest attempt, from 1; 0 before the first dispatch. Fences every report about an attempt. */
  attempt: number;
  /** Attempts that failed in their handler: `failures <= maxAttempts`. */
  failures: number;
  /** Attempts that were lost with their worker, or refused: `lost <= MAX_LOST`. */
  lost: number;
  /** The latest attempt's; null before the first, and while a task waits whose latest attempt is void. */
  worker: string | null;
  startedAt: number;
  endedAt: number;
  /** When it is due: queued after a wait, or expired before its first start. */
  dueAt: number;
  output: Uint8Array | null;
  outputBlobs: readonly string[] | null;
  error: Failure | null;
  /** Workers on which an attempt of it came to nothing, newest first: read from the attempts' rows, for its next attempt. */
  triedOn: readonly string[];
  /** Its row as the last commit left it; null before the first. The next update expects exactly that. */
  stored: { readonly state: TaskState; readonly attempt: number } | null;
  /** Of the latest attempt, as the stored chunks tell: its last one, and their bytes. */
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

/** Of the workers that tried a task, so many are remembered. */
export const MAX_TRIED = 16;

/** Whether an attempt that ended so speaks against its worker: one that was handed back does not. */
export const isTrial = (code: string): boolean => code !== 'cancelled';

export const timeoutOf = (task: Task): number => task.options?.timeoutMs ?? DEFAULT_TIMEOUT_MS;
export const maxAttemptsOf = (task: Task): number => task.options?.maxAttempts ?? DEFAULT_MAX_ATTEMPTS;
export const backoffOf = (task: Task): number => task.options?.backoffMs ?? DEFAULT_BACKOFF_MS;

/** When a task expires unless it is started; 0 for never, and once it was started. */
export function expiryOf(task: Task): number {
  const ttl = task.options?.ttlMs;
  return ttl === undefined || task.attempt > 0 ? 0 : task.submittedAt + ttl;
}

/** @throws Error for a move that TASK_MOVES does not allow: a defect */
export function moveTask(task: Task, to: TaskState): void {
  if (!TASK_MOVES[task.state].includes(to)) {
    throw new Error(`task ${task.id}: illegal move from ${task.state} to ${to} (attempt ${task.attempt})`);
  }
  task.state = to;
}

/** The order within and between lanes: higher priority first, then arrival. Negative when `a` comes first. */
export function compareTasks(a: { priority: number; seq: number }, b: { priority: number; seq: number }): number {
  return b.priority - a.priority || a.seq - b.seq;
}
