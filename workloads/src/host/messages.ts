/**
 * The messages between the agent and a handler process, over the IPC channel. Those from the child are validated, as a
 * donor's own handlers run there and may write to the same channel.
 */
import type { LlmEndpoint, Outcome } from '../runtime.js';

/** From the agent to a handler process. `run` numbers the executions of one process. */
export type ToChild =
  | {
      readonly type: 'run';
      readonly run: number;
      readonly kind: string;
      readonly input: unknown;
      readonly llm?: LlmEndpoint;
    }
  | { readonly type: 'abort'; readonly run: number; readonly reason: string };

/** From a handler process to the agent. */
export type FromChild =
  | { readonly type: 'loaded'; readonly kinds: readonly string[] }
  | { readonly type: 'broken'; readonly reason: string }
  | { readonly type: 'progress'; readonly run: number; readonly fraction: number; readonly note?: string }
  | { readonly type: 'chunk'; readonly run: number; readonly value: unknown }
  | { readonly type: 'done'; readonly run: number; readonly outcome: Outcome };

/** Whether a value is a message that a handler process may send. */
export function isFromChild(value: unknown): value is FromChild {
  if (typeof value !== 'object' || value === null || !('type' in value)) return false;
  const message = value as Record<string, unknown>;
  switch (message.type) {
    case 'loaded':
      return Array.isArray(message.kinds) && message.kinds.every((kind) => typeof kind === 'string');
    case 'broken':
      return typeof message.reason === 'string';
    case 'progress':
      return (
        typeof message.run === 'number' &&
        typeof message.fraction === 'number' &&
        (message.note === undefined || typeof message.note === 'string')
      );
    case 'chunk':
      return typeof message.run === 'number';
    case 'done':
      return typeof message.run === 'number' && isOutcome(message.outcome);
    default:
      return false;
  }
}

function isOutcome(value: unknown): value is Outcome {
  if (typeof value !== 'object' || value === null) return false;
  const outcome = value as Record<string, unknown>;
  if (outcome.ok === true) return true;
  if (outcome.ok !== false || typeof outcome.error !== 'object' || outcome.error === null) return false;
  const error = outcome.error as Record<string, unknown>;
  return typeof error.code === 'string' && typeof error.message === 'string' && typeof error.retryable === 'boolean';
}
