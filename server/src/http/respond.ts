/** JSON answers of the HTTP side, and the status that each kind of error has there. */
import { type ErrorKind, ProtocolError } from '@rma/protocol/error';
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

export function problem(error: ProtocolError, status = STATUS[error.kind]): HttpResponse {
  const retry = status === 503 || status === 507 || status === 429 ? { 'retry-after': '5' } : undefined;
  const challenge = status === 401 ? { 'www-authenticate': 'Bearer' } : undefined;
  return json(status, { error: error.toWire() }, { ...retry, ...challenge });
}

export function asProblem(error: unknown): HttpResponse | undefined {
  return error instanceof ProtocolError ? problem(error) : undefined;
}
