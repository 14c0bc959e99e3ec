/** Runs one handler and turns whatever it does into an outcome; never rejects. */
import type { Failure, Handler, Outcome, TaskContext } from '../runtime.js';
import { TaskError } from '../runtime.js';

/** Longer messages are cut: the coordinator stores them. */
const MAX_MESSAGE_LENGTH = 2_000;

/** The outcome of one call of a handler. An output of `undefined` becomes `null`, which every encoding knows. */
export async function runHandler(
  handler: Handler | undefined,
  kind: string,
  input: unknown,
  context: TaskContext,
): Promise<Outcome> {
  if (handler === undefined) {
    return {
      ok: false,
      error: { code: 'kind.unknown', message: `This worker has no handler for ${kind}.`, retryable: true },
    };
  }
  try {
    const output = await handler(input, context);
    return { ok: true, output: output === undefined ? null : output };
  } catch (error) {
    return { ok: false, error: failureOf(error, kind, context.signal) };
  }
}

/**
 * The failure of an error. A `TaskError` is recognised by its name and fields as well as by its class, because a donor's
 * handlers may bring another copy of the class.
 */
export function failureOf(error: unknown, kind: string, signal: AbortSignal): Failure {
  if (error instanceof TaskError || isLikeTaskError(error)) {
    return { code: error.code, message: cut(error.message), retryable: error.retryable };
  }
  if (signal.aborted) return { code: 'cancelled', message: `${kind} was stopped.`, retryable: false };
  const text = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
  return { code: 'handler.error', message: cut(`${kind} failed: ${text}`), retryable: true };
}

function isLikeTaskError(error: unknown): error is TaskError {
  return (
    error instanceof Error &&
    error.name === 'TaskError' &&
    'code' in error &&
    typeof error.code === 'string' &&
    'retryable' in error &&
    typeof error.retryable === 'boolean'
  );
}

function cut(message: string): string {
  return message.length <= MAX_MESSAGE_LENGTH ? message : `${message.slice(0, MAX_MESSAGE_LENGTH - 1)}…`;
}
