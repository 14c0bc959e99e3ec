/** Calls a built-in handler in this process, for tests of what it answers and not of where it runs. */
import { type Handler, TaskError } from '@rma/workloads/runtime';

/** What a call emitted beside its output. */
export interface Emitted {
  readonly chunks: unknown[];
  readonly progress: number[];
}

export async function call(
  handler: Handler | undefined,
  input: unknown,
  signal?: AbortSignal,
): Promise<{ output: unknown } & Emitted> {
  if (!handler) throw new Error('no such handler');
  const emitted: Emitted = { chunks: [], progress: [] };
  const output = await handler(input, {
    signal: signal ?? new AbortController().signal,
    chunk: (value) => void emitted.chunks.push(value),
    progress: (fraction) => void emitted.progress.push(fraction),
  });
  return { output, ...emitted };
}

/** The `TaskError` of a call that has to fail, as `code: message`. */
export async function refusal(handler: Handler | undefined, input: unknown): Promise<string> {
  try {
    await call(handler, input);
  } catch (error) {
    if (error instanceof TaskError) return `${error.code}: ${error.message}`;
    throw error;
  }
  throw new Error('the handler accepted it');
}
