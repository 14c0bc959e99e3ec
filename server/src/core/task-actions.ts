/** What an owner or an admin does to tasks that exist: cancel them, or submit an ended one again as a new task. */
import type { WireError } from '@rma/protocol/error';
import { isTerminal, type Refusal, type TaskSpec } from '@rma/protocol/task';
import type { UpOf } from '@rma/protocol/up';
import { refusal } from './admission.js';
import { outgoingOf } from './effects.js';
import type { Session } from './session.js';
import { create } from './submit.js';
import type { Task } from './task.js';
import { endTask, stopAttempt } from './task-lifecycle.js';
import { audit, findTask, sendError, sendReply, type Turn } from './turn.js';

/** Answers an error where the task had ended already, in whatever way. */
export function cancel(turn: Turn, session: Session, { task: id, ref }: UpOf<'cancel'>): void {
  const task = findOwn(turn, session, id);
  if (!task || isTerminal(task.state)) {
    outgoingOf(turn.effects, session.id).errors.push({ ref, about: 'cancel', error: cancelError(id, task) });
    return;
  }
  cancelTask(turn, session, task);
  sendReply(turn, session.id, ref, { state: task.state });
}

/**
 * All of them in this step, so in one commit. A task that is cancelled already counts as cancelled: the message may come
 * twice, and is answered alike.
 */
export function cancels(turn: Turn, session: Session, { tasks, ref }: UpOf<'cancels'>): void {
  const cancelled: string[] = [];
  const failed: Refusal[] = [];
  for (const id of new Set(tasks)) {
    const task = findOwn(turn, session, id);
    if (task && !isTerminal(task.state)) cancelTask(turn, session, task);
    if (task?.state === 'cancelled') cancelled.push(id);
    else failed.push({ task: id, error: cancelError(id, task) });
  }
  sendReply(turn, session.id, ref, { cancelled, failed });
}

/** A task that this session may cancel; somebody else's is not there. */
function findOwn(turn: Turn, session: Session, id: string): Task | undefined {
  const task = findTask(turn, id);
  return task && (task.owner === session.subject || session.role === 'admin') ? task : undefined;
}

function cancelError(id: string, task: Task | undefined): WireError {
  if (!task) return { kind: 'not_found', message: `there is no task ${id}` };
  return { kind: 'conflict', message: `task ${id} ${task.state} already` };
}

/** An open task ends at once; a running attempt is stopped, and frees its slot once the worker confirms. */
function cancelTask(turn: Turn, session: Session, task: Task): void {
  if (task.state === 'running') stopAttempt(turn, task, 'cancelled');
  endTask(turn, task, 'cancelled', { error: { code: 'cancelled', message: `cancelled by ${session.subject}` } });
  if (task.owner !== session.subject) {
    audit(turn, session, 'task.cancelled', task.id, { owner: task.owner }, task.owner);
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
