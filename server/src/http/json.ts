/** JSON over HTTP: request bodies, responses, and the status of each error kind. */
import { type ErrorKind, errorMessage, ProtocolError } from '@rma/protocol/error';
import type { HttpResponse } from '../socket/transport.js';

const STATUS: Readonly<Record<ErrorKind, number>> = {
  unauthenticated: 401,
  forbidden: 403,
  unsupported_version: 400,
  unknown_message: 400,
  invalid: 400,
  not_found: 404,
  conflict: 409,
  unknown_kind: 422,
  unservable: 422,
  too_large: 413,
  rate_limited: 429,
  queue_full: 429,
  storage_full: 507,
  unavailable: 503,
  internal: 500,
};

const HEADERS = {
  'content-type': 'application/json; charset=utf-8',
  'cache-control': 'no-store',
  'x-content-type-options': 'nosniff',
};

export function json(status: number, value: unknown, headers: Record<string, string> = {}): HttpResponse {
  return { status, headers: { ...HEADERS, ...headers }, body: `${JSON.stringify(value)}\n` };
}

/** An error as a response. */
export function problem(error: ProtocolError, status = STATUS[error.kind]): HttpResponse {
  const retry = status === 503 || status === 507 || status === 429 ? { 'retry-after': '5' } : undefined;
  const challenge = status === 401 ? { 'www-authenticate': 'Bearer' } : undefined;
  return json(status, { error: error.toWire() }, { ...retry, ...challenge });
}

/** A body as a JSON object. @throws ProtocolError of kind `invalid` */
export function jsonOf(body: Uint8Array, expected = 'an object'): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(body));
  } catch (error) {
    throw new ProtocolError('invalid', `the body is not JSON: ${errorMessage(error)}`);
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new ProtocolError('invalid', 'the body must be an object', '', expected);
  }
  return value as Record<string, unknown>;
}
