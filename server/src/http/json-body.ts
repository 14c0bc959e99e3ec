/** A request's body as a JSON object. */
import { ProtocolError } from '@rma/protocol/error';
import type { HttpRequest } from '../socket/transport.js';

/** @throws ProtocolError of kind `invalid` */
export async function jsonBody(request: HttpRequest): Promise<Record<string, unknown>> {
  const body = await request.body();
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(body));
  } catch (error) {
    throw new ProtocolError('invalid', `the body is not JSON: ${error instanceof Error ? error.message : error}`);
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new ProtocolError('invalid', 'the body must be an object', '', 'an object');
  }
  return value as Record<string, unknown>;
}
