/** The states that a task passes through, and the moves between them. */

export const TASK_STATES = ['scheduled', 'queued', 'running', 'succeeded', 'failed', 'cancelled', 'expired'] as const;
export type TaskState = (typeof TASK_STATES)[number];

/** Every legal move. What is not here throws. */
export const TASK_MOVES: Readonly<Record<TaskState | 'new', readonly TaskState[]>> = {
  new: ['scheduled', 'queued'],
  scheduled: ['queued', 'cancelled', 'expired'],
  queued: ['running', 'cancelled', 'expired', 'failed'],
  running: ['queued', 'scheduled', 'succeeded', 'failed', 'cancelled'],
  succeeded: [],
  failed: [],
  cancelled: [],
  expired: [],
};

export function isTerminal(state: TaskState): boolean {
  return TASK_MOVES[state].length === 0;
}
