/** The error of every failed call to an engine, and the conversion of what dockerode throws. */
import { errorMessage } from '@rma/protocol/error';
import { isGone } from '../reasons.js';

export class EngineError extends Error {
  constructor(
    message: string,
    /** HTTP status; 0 where there was no response. */
    readonly status: number,
    /** The engine does not answer. Its containers may still run. */
    readonly gone: boolean,
  ) {
    super(message);
    this.name = 'EngineError';
  }
}

export function asEngineError(error: unknown): EngineError {
  if (error instanceof EngineError) return error;
  const { statusCode, json, reason, code } = (error ?? {}) as {
    statusCode?: number;
    json?: { message?: unknown };
    reason?: string;
    code?: string;
  };
  const plain = errorMessage(error);
  const message = typeof json?.message === 'string' ? json.message : plain;
  const status = typeof statusCode === 'number' ? statusCode : 0;
  return new EngineError(message.trim() || (reason ?? plain), status, status === 0 && isGone(code, plain));
}
