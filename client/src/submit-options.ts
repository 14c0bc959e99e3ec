/** From the arguments of `submit` to the task that goes over the wire. */
import { Check } from '@rma/peer/check';
import { LIMITS } from '@rma/protocol/limits';
import { type Payload, packPayload } from '@rma/protocol/payload';
import { type Constraints, TaskSpec } from '@rma/protocol/task';
import { newTaskId } from './task-id.js';

/** How a task is to be run. Times in ms. What is left out has the coordinator's default. */
export interface SubmitOptions {
  /** A UUIDv7 of your own: submitting the same content under the same id again is harmless. */
  readonly id?: string | undefined;
  /** -100 to 100; higher runs first. Default 0. */
  readonly priority?: number | undefined;
  /** What one attempt may take. Default 10 minutes. */
  readonly timeoutMs?: number | undefined;
  /** Failing attempts before the task failed. Default 3. */
  readonly maxAttempts?: number | undefined;
  /** The wait before the second attempt, doubling. Default 1,000. */
  readonly backoffMs?: number | undefined;
  /** The task expires when it has not started within this. */
  readonly ttlMs?: number | undefined;
  /** Not to be started before this time. */
  readonly notBefore?: Date | undefined;
  /** Where it may run. */
  readonly constraints?: Constraints | undefined;
  /**
   * Watch the task from the start. Default true; false saves traffic for tasks whose result is not awaited.
   * Asking for `result()` or iterating watches it later.
   */
  readonly watch?: boolean | undefined;
}

/** One of many tasks, for `submitMany`. */
export interface Job extends SubmitOptions {
  readonly kind: string;
  readonly input?: unknown;
}

const specCheck = new Check<TaskSpec>(TaskSpec, 'task');
/** Stands for an input that is uploaded first. */
const LATER: Payload = packPayload(null);

/** @throws ProtocolError of kind `invalid` naming the field and what was expected */
export function taskSpec(kind: string, input: Payload | undefined, options: SubmitOptions): TaskSpec {
  const spec: TaskSpec = { id: options.id ?? newTaskId(), kind, input: input ?? LATER };
  if (options.priority !== undefined) spec.priority = options.priority;
  if (options.timeoutMs !== undefined) spec.timeoutMs = options.timeoutMs;
  if (options.maxAttempts !== undefined) spec.maxAttempts = options.maxAttempts;
  if (options.backoffMs !== undefined) spec.backoffMs = options.backoffMs;
  if (options.ttlMs !== undefined) spec.ttlMs = options.ttlMs;
  if (options.notBefore !== undefined) spec.notBefore = options.notBefore.getTime();
  if (options.constraints !== undefined) spec.constraints = options.constraints;
  return specCheck.assert(spec);
}

/** The input as it travels in a message, or undefined where it is too large for that. */
export function inlinePayload(input: unknown): Payload | undefined {
  if (typeof input === 'object' && input !== null) {
    if (input instanceof Uint8Array ? isLarge(input) : Object.values(input).some(isLarge)) return undefined;
  }
  const payload = packPayload(input);
  return payload.length <= LIMITS.maxInlineBytes ? payload : undefined;
}

function isLarge(value: unknown): boolean {
  return value instanceof Uint8Array && value.length > LIMITS.maxInlineBytes;
}
