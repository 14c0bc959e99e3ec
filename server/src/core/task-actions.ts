/** What an owner or an admin does to a task that exists: cancel it, or submit an ended one again as a new task. */
import { isTerminal, type TaskSpec } from '@rma/protocol/task';
import type { UpOf } from '@rma/protocol/up';
import { refusal } from './admission.js';
import { outgoingOf } from './effects.js';
import type { Session } from './session.js';
import { create } from './submit.js';
import type { Task } from './task.js';
import { endTask, stopAttempt } from './task-lifecycle.js';
import { audit, findTask, sendError, sendReply, type Turn } from './turn.js';

/** The task ends at once; a running attempt is stopped, and frees its slot once the worker confirms. */
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

/**
 * A new task of the same owner with the same content; the old one stays as it is.
 * @param newTask its id, made outside of the core, which has no random numbers of its own
 */
export function retry(turn: Turn, session: Session, ref: number, id: string, newTask: string | undefined): void {
  if (newTask === undefined) throw new Error('task.retry without an id for the new task');
  const task = findTask(turn, id);
  if (!task) {
    sendError(turn, session.id, 'not_found', `there is no task ${id}`, { ref, about: 'act' });
    return;
  }
  if (!isTerminal(task.state)) {
    const message = `task ${id} is ${task.state} still; only a task that ended can be submitted again`;
    sendError(turn, session.id, 'conflict', message, { ref, about: 'act' });
    return;
  }
  const spec = specOf(task, newTask);
  const error = refusal(turn, spec, task.owner);
  if (error) {
    outgoingOf(turn.effects, session.id).errors.push({ ref, about: 'act', error });
    return;
  }
  create(turn, spec, task.owner);
  audit(turn, session, 'task.retried', id, { as: newTask, owner: task.owner }, task.owner);
  sendReply(turn, session.id, ref, { task: newTask });
}

/** Without `notBefore`, which has passed. */
function specOf(task: Task, id: string): TaskSpec {
  const { notBefore: _over, ...options } = task.options ?? {};
  return {
    id,
    kind: task.kind,
    input: task.input,
    priority: task.priority,
    ...options,
    ...(task.blobs === null ? {} : { blobs: [...task.blobs] }),
  };
}
