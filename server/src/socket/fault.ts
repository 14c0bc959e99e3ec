/** What a peer is told of its message at fault. */
import { ProtocolError, type WireError } from '@rma/protocol/error';

const MAX_TYPE_LENGTH = 64;

/** By what a peer knows its message again, also one that is not valid: whoever waits for an answer must get one. */
export function nameOf(message: unknown): { about?: string; ref?: number } {
  const { type, ref } = (message ?? {}) as { type?: unknown; ref?: unknown };
  return {
    ...(typeof type === 'string' && type.length <= MAX_TYPE_LENGTH ? { about: type } : {}),
    ...(typeof ref === 'number' && Number.isSafeInteger(ref) ? { ref } : {}),
  };
}

export function asWire(error: unknown): WireError {
  if (error instanceof ProtocolError) return error.toWire();
  return { kind: 'internal' as const, message: 'the coordinator could not carry this out; its log says why' };
}
