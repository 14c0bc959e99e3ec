/** An ended task once more: a new task of the same owner with the same content. What the old one was stays as it is. */
import { isTerminal, type TaskSpec } from '@rma/protocol/task';
import { outgoingOf } from './effects.js';
import type { Session } from './session.js';
import { create, refusal } from './submit.js';
import type { Task } from './task.js';
import { audit, findTask, sendError, sendReply, type Turn } from './turn.js';

/** @param newTask the id that the shell made for it */
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

/** The wait that it was submitted with is over; all else is as it was. */
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
