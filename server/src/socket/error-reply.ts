/** The answer to a message that failed: which message it was, and the error that a peer may see. */
import { ProtocolError, type WireError } from '@rma/protocol/error';

const MAX_TYPE_LENGTH = 64;

/** The type and number by which a peer recognises its message, read from invalid ones too: a waiting request must end. */
export function referenceTo(message: unknown): { about?: string; ref?: number } {
  const { type, ref } = (message ?? {}) as { type?: unknown; ref?: unknown };
  return {
    ...(typeof type === 'string' && type.length <= MAX_TYPE_LENGTH ? { about: type } : {}),
    ...(typeof ref === 'number' && Number.isSafeInteger(ref) ? { ref } : {}),
  };
}

/** A protocol error as it is; of anything else, only that it is in the coordinator's log. */
export function wireErrorOf(error: unknown): WireError {
  if (error instanceof ProtocolError) return error.toWire();
  return { kind: 'internal', message: 'the coordinator could not process this; its log says why' };
}
