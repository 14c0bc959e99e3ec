/** What a batch names and the core does not hold: tasks to fetch, blobs to look up. */
import type { Input } from '../core/inputs.js';
import type { State } from '../core/state.js';
import type { Task } from '../core/task.js';

export function namedTasks(inputs: readonly Input[], state: State): string[] {
  const ids: string[] = [];
  const name = (id: string) => {
    if (!state.tasks.has(id)) ids.push(id);
  };
  for (const input of inputs) {
    if (input.type === 'hello') {
      for (const { task } of input.message.worker?.running ?? []) name(task);
      for (const { task } of input.message.worker?.finished ?? []) name(task);
    } else if (input.type === 'message') {
      const { message } = input;
      // Ids grow with time: one behind all that was accepted needs no look-up.
      if (message.type === 'submit') {
        for (const { id } of message.tasks) if (id <= state.newestId) name(id);
      }
      if (message.type === 'watch') for (const { task } of message.tasks) name(task);
      else if (message.type === 'results') for (const { task } of message.results) name(task);
      else if (message.type === 'cancel') name(message.task);
      else if (message.type === 'act' && message.action.do === 'task.retry') name(message.action.task);
    }
  }
  return ids.length > 1 ? [...new Set(ids)] : ids;
}

export function namedBlobs(
  inputs: readonly Input[],
  state: State,
  fetched: ReadonlyMap<string, Task>,
): { owner: string; blob: string }[] {
  const named: { owner: string; blob: string }[] = [];
  for (const input of inputs) {
    if (input.type !== 'message') continue;
    const { message } = input;
    if (message.type === 'submit') {
      const owner = subjectOf(inputs, state, input.session);
      if (owner === undefined) continue;
      for (const task of message.tasks) for (const blob of task.blobs ?? []) named.push({ owner, blob });
    } else if (message.type === 'act' && message.action.do === 'task.retry') {
      const { task: id } = message.action;
      const task = state.tasks.get(id) ?? fetched.get(id);
      for (const blob of task?.blobs ?? []) named.push({ owner: task!.owner, blob });
    } else if (message.type === 'results') {
      for (const { task: id, blobs } of message.results) {
        const owner = blobs?.length ? (state.tasks.get(id) ?? fetched.get(id))?.owner : undefined;
        if (owner !== undefined) for (const blob of blobs ?? []) named.push({ owner, blob });
      }
    }
  }
  return named;
}

/** Whose session it is, also of one that says hello in this very batch. */
function subjectOf(inputs: readonly Input[], state: State, session: number): string | undefined {
  const known = state.sessions.get(session);
  if (known) return known.subject;
  const hello = inputs.find((input) => input.type === 'hello' && input.session === session);
  return hello?.type === 'hello' ? state.tokens.get(hello.token.id)?.subject : undefined;
}
