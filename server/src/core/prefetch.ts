/** Prefetch: what a batch's inputs name and the core does not hold. Rows are fetched first, since blobs belong to owners. */
import type { Input } from './inputs.js';
import { rowOf } from './messages.js';
import type { State } from './state.js';
import type { Task } from './task.js';

/** Ids of tasks whose rows the step needs, without doubles. */
export function tasksToFetch(inputs: readonly Input[], state: State): string[] {
  const ids: string[] = [];
  const need = (id: string) => {
    if (!state.tasks.has(id)) ids.push(id);
  };
  for (const input of inputs) {
    if (input.type === 'message') rowOf(input.message).tasks?.(input.message, need, state.newestId);
    else if (input.type === 'hello') {
      for (const { task } of input.message.worker?.running ?? []) need(task);
      for (const { task } of input.message.worker?.finished ?? []) need(task);
    }
  }
  return ids.length > 1 ? [...new Set(ids)] : ids;
}

/** Blobs that the step checks: whether they are held for their owner. */
export function blobsToFind(
  inputs: readonly Input[],
  state: State,
  fetched: ReadonlyMap<string, Task>,
): { owner: string; blob: string }[] {
  const found: { owner: string; blob: string }[] = [];
  const need = (owner: string, blob: string) => void found.push({ owner, blob });
  const task = (id: string) => state.tasks.get(id) ?? fetched.get(id);
  for (const input of inputs) {
    if (input.type !== 'message') continue;
    const subject = () => subjectOf(inputs, state, input.session);
    rowOf(input.message).blobs?.(input.message, need, { subject, task });
  }
  return found;
}

/** The subject of a session, also of one whose hello is in the same batch. */
function subjectOf(inputs: readonly Input[], state: State, session: number): string | undefined {
  const known = state.sessions.get(session);
  if (known) return known.subject;
  const hello = inputs.find((input) => input.type === 'hello' && input.session === session);
  return hello?.type === 'hello' ? state.tokens.get(hello.token.id)?.subject : undefined;
}
