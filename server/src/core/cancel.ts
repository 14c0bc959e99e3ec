/** Cancelling: the task ends at once; a running handler is told to stop and its slot comes back when it did. */
import { isTerminal } from '@rma/protocol/task';
import type { UpOf } from '@rma/protocol/up';
import { outgoingOf } from './effects.js';
import { endTask, release } from './life.js';
import type { Session } from './session.js';
import type { Task } from './task.js';
import { audit, findTask, sendError, sendReply, type Turn } from './turn.js';

export function cancel(turn: Turn, session: Session, message: UpOf<'cancel'>): void {
  const { task: id, ref } = message;
  const task = findTask(turn, id);
  if (!task || (task.owner !== session.subject && session.role !== 'admin')) {
    sendError(turn, session.id, 'not_found', `there is no task ${id}`, { ref, about: 'cancel' });
  } else if (isTerminal(task.state)) {
    sendError(turn, session.id, 'conflict', `task ${id} ${task.state} already`, { ref, about: 'cancel' });
  } else {
    if (task.state === 'running') stopAttempt(turn, task, 'cancelled');
    endTask(turn, task, 'cancelled', { error: { code: 'cancelled', message: `cancelled by ${session.subject}` } });
    if (task.owner !== session.subject) {
      audit(turn, session, 'task.cancelled', task.id, { owner: task.owner }, task.owner);
    }
    sendReply(turn, session.id, ref, { state: task.state });
  }
}

/** Tells the worker to end the attempt; its slot stays taken until it did. */
export function stopAttempt(turn: Turn, task: Task, reason: string): void {
  const worker = task.worker === null ? undefined : turn.state.workers.get(task.worker);
  if (worker && worker.session !== 0) {
    outgoingOf(turn.effects, worker.session).stops.push({ task: task.id, attempt: task.attempt, reason });
  }
  release(turn, task, false);
}
