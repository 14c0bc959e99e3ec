/** A task's state, times and short id. Pure. */
import type { TaskState, TaskView } from '@rma/client';

export function isOpen(state: TaskState): boolean {
  return state === 'scheduled' || state === 'queued' || state === 'running';
}

/** ms from submission to start, and from start to end (or now); undefined if not started. */
export function timesOf(
  task: TaskView,
  now: number,
): { readonly waitedMs: number; readonly ranMs: number | undefined } {
  const { submittedAt, startedAt, endedAt, state } = task;
  const start = state === 'queued' || state === 'scheduled' ? undefined : startedAt;
  const waitedMs = Math.max(0, (start ?? endedAt ?? now) - submittedAt);
  return { waitedMs, ranMs: start === undefined ? undefined : Math.max(0, (endedAt ?? now) - start) };
}

/** The end of an id: UUIDv7s begin with the time, so ids of one moment differ only at the end. */
export function shortId(id: string): string {
  return id.slice(-12);
}
