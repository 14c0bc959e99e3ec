/**
 * The errors and close codes of the wire. An error says what happened, to what, and what to do next. The schema is in
 * wire-error.ts: this module must not load the schema library.
 */
import type { WireError } from './wire-error.js';

export type { WireError } from './wire-error.js';

export const ERROR_KINDS = {
  unauthenticated: 'no token, or one that is wrong, expired or revoked',
  forbidden: 'the role does not allow this message or action',
  unsupported_version: 'the protocol version is not spoken here',
  unknown_message: 'the message type does not exist',
  invalid: 'a field is missing or wrong; see `path` and `expected`',
  not_found: 'it does not exist, or belongs to another owner',
  conflict: 'the id exists with other content, or the state does not admit the action',
  unknown_kind: 'no worker ever offered this task kind',
  unservable: 'nothing in the pool can ever serve these constraints',
  too_large: 'a size limit was passed; the message names it',
  rate_limited: 'too many messages; the message names the limit',
  queue_full: 'the client has too many queued tasks or lanes',
  storage_full: 'the coordinator cannot persist now; send it again later',
  unavailable: 'cannot be answered now; send it again later',
  internal: 'a defect of the coordinator',
} as const;

export type ErrorKind = keyof typeof ERROR_KINDS;

/** A `WireError` as a throwable. */
export class ProtocolError extends Error {
  constructor(
    readonly kind: ErrorKind,
    message: string,
    readonly path?: string,
    readonly expected?: string,
  ) {
    super(message);
    this.name = 'ProtocolError';
  }

  static fromWire({ kind, message, path, expected }: WireError): ProtocolError {
    return new ProtocolError(kind, message, path, expected);
  }

  toWire(): WireError {
    return {
      kind: this.kind,
      message: this.message,
      ...(this.path === undefined ? {} : { path: this.path }),
      ...(this.expected === undefined ? {} : { expected: this.expected }),
    };
  }
}

/** Close codes, by name. `retry` says whether dialling again can help. */
export const CLOSE = {
  normal: { code: 1000, retry: false, meaning: 'done' },
  going_away: { code: 1001, retry: true, meaning: 'the coordinator stops; dial again as `goodbye` says' },
  frame_too_large: { code: 1009, retry: false, meaning: 'a frame above maxFrameBytes' },
  restart: { code: 1012, retry: true, meaning: 'the coordinator rebuilds its state; dial again' },
  overloaded: { code: 1013, retry: true, meaning: 'the peer reads too slowly, or the coordinator is full' },
  bad_frame: { code: 4400, retry: false, meaning: 'repeated undecodable or invalid messages' },
  unauthenticated: { code: 4401, retry: false, meaning: 'the token is missing, wrong or expired' },
  forbidden: { code: 4403, retry: false, meaning: 'repeated messages that the role does not allow' },
  hello_timeout: { code: 4408, retry: true, meaning: 'no hello in time' },
  replaced: { code: 4409, retry: true, meaning: 'the same worker connected again; the newer connection stays' },
  silent: { code: 4410, retry: true, meaning: 'nothing heard for 8 s' },
  unsupported_version: { code: 4426, retry: false, meaning: 'the protocol version is not spoken here' },
  rate_limited: { code: 4429, retry: true, meaning: 'too many messages' },
  revoked: { code: 4498, retry: false, meaning: 'the token or worker was revoked, or the token expired' },
} as const;

export type CloseName = keyof typeof CLOSE;

/** The name of a close code, or undefined for one that is not the protocol's. */
export function closeName(code: number): CloseName | undefined {
  return (Object.keys(CLOSE) as CloseName[]).find((name) => CLOSE[name].code === code);
}

/** What a caught value says of itself: an `Error`'s message, anything else as text. */
export function errorMessage(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** Whether a caught value is a system error (`NodeJS.ErrnoException`) with one of these codes, such as `ENOENT`. */
export function hasErrorCode(error: unknown, ...codes: readonly string[]): boolean {
  return error instanceof Error && 'code' in error && codes.includes(String(error.code));
}
