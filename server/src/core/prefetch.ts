/** Prefetch: what a batch's inputs name and the core does not hold. Rows are fetched first, since blobs belong to owners. */
import type { Input } from './inputs.js';
import { rowOf } from './messages.js';
import type { State } from './state.js';
import type { Task } from './task.js';

/** Calls `need` for each task whose row the step needs for this input; it may be the same one again. */
export function needTasks(input: Input, state: State, need: (id: string) => void): void {
  const ifNotHeld = (id: string) => {
    if (!state.tasks.has(id)) need(id);
  };
  if (input.type === 'message') rowOf(input.message).tasks?.(input.message, ifNotHeld, state.newestId);
  else if (input.type === 'hello') {
    for (const { task } of input.message.worker?.running ?? []) ifNotHeld(task);
    for (const { task } of input.message.worker?.finished ?? []) ifNotHeld(task);
  }
}

/** Blobs that the step checks, each once: whether they are held for their owner. */
export function blobsToFind(
  inputs: readonly Input[],
  state: State,
  fetched: ReadonlyMap<string, Task>,
): Iterable<{ owner: string; blob: string }> {
  const found = new Map<string, { owner: string; blob: string }>();
  const need = (owner: string, blob: string) => void found.set(`${owner} ${blob}`, { owner, blob });
  const task = (id: string) => state.tasks.get(id) ?? fetched.get(id);
  /** Subjects of sessions whose hello is in this batch. */
  const greeted = new Map<number, string | undefined>();
  for (const input of inputs) {
    if (input.type === 'hello') greeted.set(input.session, state.tokens.get(input.token.id)?.subject);
    if (input.type !== 'message') continue;
    const subject = () => state.sessions.get(input.session)?.subject ?? greeted.get(input.session);
    rowOf(input.message).blobs?.(input.message, need, { subject, task });
  }
  return found.values();
}
