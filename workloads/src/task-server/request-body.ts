/** Reads a task's input from a request: MessagePack, or JSON with bytes as `{"$bytes": base64}`. */
import type { IncomingMessage } from 'node:http';
import { errorMessage } from '@rma/protocol/error';
import { unpackPayload, valueFromJson } from '@rma/protocol/payload';

/** An error response: status and message. */
export class HttpError extends Error {
  constructor(
    readonly status: number,
    message: string,
  ) {
    super(message);
    this.name = 'HttpError';
  }
}

const MSGPACK = ['application/msgpack', 'application/x-msgpack', 'application/vnd.msgpack'];

/** @throws HttpError for a body that is too large, of another type, damaged, or cut off */
export async function readInput(request: IncomingMessage, maxBytes: number): Promise<unknown> {
  const type = (request.headers['content-type'] ?? '').split(';')[0]?.trim().toLowerCase() ?? '';
  const isJson = type === 'application/json';
  if (!isJson && !MSGPACK.includes(type)) {
    throw new HttpError(415, `content-type is application/msgpack or application/json, not '${type.slice(0, 100)}'`);
  }
  const body = await readBody(request, maxBytes);
  try {
    if (!isJson) return unpackPayload(body);
    return valueFromJson(JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(body)));
  } catch (error) {
    const why = errorMessage(error);
    throw new HttpError(400, `the body is not the ${isJson ? 'JSON' : 'MessagePack'} of one value: ${why}`);
  }
}

async function readBody(request: IncomingMessage, maxBytes: number): Promise<Uint8Array> {
  const tooLarge = new HttpError(413, `the body is above the limit of ${maxBytes} bytes (--max-body-mib)`);
  if (Number(request.headers['content-length'] ?? 0) > maxBytes) throw tooLarge;
  const parts: Uint8Array[] = [];
  let size = 0;
  try {
    for await (const part of request as AsyncIterable<Uint8Array>) {
      size += part.length;
      if (size > maxBytes) throw tooLarge;
      parts.push(part);
    }
  } catch (error) {
    if (error instanceof HttpError) throw error;
    throw new HttpError(400, `the body ended early: ${errorMessage(error)}`);
  }
  return new Uint8Array(Buffer.concat(parts));
}
