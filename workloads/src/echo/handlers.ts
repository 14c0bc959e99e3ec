/**
 * `echo`: returns its input; for tests and first steps. Of a map it honours `delayMs`, `chunks` (so many chunks `{ n }`,
 * n from 1, spread evenly over the delay), `fail` (after all that, fails with this message) and `retryable` (false: not to be tried again).
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { asOptionalInteger, asText, describe, invalid } from '../input.js';
import { type Handler, type HandlersOf, type TaskContext, TaskError } from '../runtime.js';
import { MAX_CHUNKS, MAX_DELAY_MS, type echo as manifest } from './manifest.js';

const echo: Handler = async (input, context) => {
  if (typeof input !== 'object' || input === null || Array.isArray(input) || input instanceof Uint8Array) return input;
  const { delayMs, chunks, fail, retryable } = input as Record<string, unknown>;
  if (delayMs === undefined && chunks === undefined && fail === undefined) return input;
  const failure = fail === undefined || fail === null ? undefined : asText(fail, 'input.fail', 1_024);
  if (retryable !== undefined && typeof retryable !== 'boolean') {
    throw invalid('input.retryable', `expected true or false, got ${describe(retryable)}`);
  }
  const waitMs = asOptionalInteger(delayMs, 'input.delayMs', MAX_DELAY_MS) ?? 0;
  const count = asOptionalInteger(chunks, 'input.chunks', MAX_CHUNKS) ?? 0;
  await emit(waitMs, count, context);
  if (failure !== undefined) throw new TaskError('echo.fail', failure, retryable !== false);
  return input;
};

async function emit(waitMs: number, count: number, context: TaskContext): Promise<void> {
  const startedAt = performance.now();
  const steps = Math.max(1, count);
  for (let n = 1; n <= steps; n += 1) {
    const dueInMs = startedAt + (waitMs * n) / steps - performance.now();
    if (waitMs > 0) await sleep(Math.max(0, dueInMs), undefined, { signal: context.signal });
    context.signal.throwIfAborted();
    if (count > 0) {
      context.chunk({ n });
      context.progress(n / steps);
    }
  }
}

export const handlers: HandlersOf<typeof manifest> = { echo };
