/** What can be done with a task in its state, and how long it took. Pure. */
import type { TaskState, TaskView } from '@rma/client';

export function isOpen(state: TaskState): boolean {
  return state === 'scheduled' || state === 'queued' || state === 'running';
}

/** ms from its submission to its start, and from there to its end; undefined for what has not begun. */
export function timesOf(
  task: TaskView,
  now: number,
): { readonly waitedMs: number; readonly ranMs: number | undefined } {
  const { submittedAt, startedAt, endedAt, state } = task;
  const began = state === 'queued' || state === 'scheduled' ? undefined : startedAt;
  const waitedMs = Math.max(0, (began ?? endedAt ?? now) - submittedAt);
  return { waitedMs, ranMs: began === undefined ? undefined : Math.max(0, (endedAt ?? now) - began) };
}

/** The part of an id that tells tasks apart at a glance: UUIDv7s of one moment begin alike. */
export function shortId(id: string): string {
  return id.slice(-12);
}
