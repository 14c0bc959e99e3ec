/** One HTTP exchange with a container. It has no time limit, because the task has one; ends when aborted. */
import { type IncomingMessage, request } from 'node:http';

export interface ExchangeOptions {
  readonly method: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array | string | undefined;
  readonly signal: AbortSignal;
}

/** Resolves with the head of the response. */
export function exchange(
  url: string,
  { method, headers = {}, body, signal }: ExchangeOptions,
): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const length = body === undefined ? {} : { 'content-length': String(Buffer.byteLength(body)) };
    const sent = request(url, { method, headers: { ...headers, ...length }, signal, agent: false }, resolve);
    sent.once('error', reject);
    sent.end(body);
  });
}

/** The whole of a body. @throws Error above the limit */
export async function readBody(message: IncomingMessage, maxBytes: number): Promise<Buffer> {
  const pieces: Buffer[] = [];
  let bytes = 0;
  for await (const piece of message as AsyncIterable<Buffer>) {
    bytes += piece.length;
    if (bytes > maxBytes) throw new Error(`the answer is larger than ${maxBytes} bytes`);
    pieces.push(piece);
  }
  return Buffer.concat(pieces);
}
