/** Submits an ended task again: for admins by `retryTask` (keeps the owner), for clients as a new task of their own. */
import type { Client } from '@rma/client';
import { errorMessage } from '@rma/protocol/error';
import { wholeValue } from '$lib/values/blob-source.js';

const AT_ONCE = 8;

/** Resolves to the id of the new task. */
export async function resubmit(client: Client, isAdmin: boolean, id: string): Promise<string> {
  if (isAdmin) return client.retryTask(id);
  const { kind, input, blobs, priority, timeoutMs, maxAttempts, constraints } = await client.taskInput(id);
  const source = { names: new Set(blobs), fetch: (ref: Parameters<Client['blob']>[0]) => client.blob(ref, id) };
  const task = client.submit(kind, await wholeValue(input, source), {
    priority,
    timeoutMs,
    maxAttempts,
    constraints,
    watch: false,
  });
  await task.accepted;
  return task.id;
}

export interface ManyDone {
  readonly done: readonly string[];
  readonly failed: readonly { readonly id: string; readonly reason: string }[];
}

/** Runs AT_ONCE at a time. @param onProgress called with the number of settled tasks */
export async function resubmitMany(
  client: Client,
  isAdmin: boolean,
  ids: readonly string[],
  onProgress: (settled: number) => void,
): Promise<ManyDone> {
  const done: string[] = [];
  const failed: { id: string; reason: string }[] = [];
  const waiting = [...ids];
  const work = async () => {
    for (let id = waiting.shift(); id !== undefined; id = waiting.shift()) {
      try {
        done.push(await resubmit(client, isAdmin, id));
      } catch (error) {
        failed.push({ id, reason: errorMessage(error) });
      }
      onProgress(done.length + failed.length);
    }
  };
  await Promise.all(Array.from({ length: Math.min(AT_ONCE, ids.length) }, work));
  return { done, failed };
}
