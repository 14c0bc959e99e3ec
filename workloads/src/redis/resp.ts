/**
 * RESP2, Redis's protocol: one command on a connection of its own, so that closing it cancels a blocking command and ends
 * a reply above the limit before it is buffered. docs/dependencies.md says why this is no library.
 */
import { connect } from 'node:net';

/** A reply; an error inside a list is a value. */
export type Reply = string | number | null | Uint8Array | RedisError | readonly Reply[];

/** Redis answered with an error. */
export class RedisError extends Error {
  override readonly name = 'RedisError';
}

/** Where the server listens. */
export interface RedisAccess {
  readonly host: string;
  readonly port: number;
  readonly password: string;
}

const CRLF = '\r\n';
const LINE_FEED = 10;

/**
 * Sends AUTH and one command on a connection of their own; resolves with the command's reply.
 * @throws RedisError for a refusal; what the signal was aborted with; Error for a lost connection or too large a reply
 */
export function sendCommand(
  { host, port, password }: RedisAccess,
  args: readonly (string | Uint8Array)[],
  { signal, maxBytes }: { readonly signal: AbortSignal; readonly maxBytes: number },
): Promise<Reply> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port });
    let pieces: Buffer[] = [];
    let bytes = 0;
    const finish = (act: () => void): void => {
      signal.removeEventListener('abort', abort);
      socket.destroy();
      act();
    };
    const fail = (error: unknown): void =>
      finish(() => reject(error instanceof Error ? error : new Error(String(error))));
    const abort = (): void => fail(signal.reason);
    if (signal.aborted) {
      abort();
      return;
    }
    signal.addEventListener('abort', abort, { once: true });
    socket.on('connect', () => socket.write(Buffer.concat([encode(['AUTH', password]), encode(args)])));
    socket.on('data', (data: Buffer) => {
      bytes += data.length;
      if (bytes > maxBytes) {
        fail(new RedisError(`the reply is larger than ${maxBytes} bytes; ask for less`));
        return;
      }
      pieces.push(data);
      // A whole reply ends with a line feed. Parsing after each piece would be quadratic in a large one.
      if (data.at(-1) !== LINE_FEED) return;
      const received = Buffer.concat(pieces);
      pieces = [received];
      try {
        const auth = readReply(received, 0);
        const reply = auth && readReply(received, auth.end);
        if (auth?.value instanceof RedisError) fail(auth.value);
        else if (reply?.value instanceof RedisError) fail(reply.value);
        else if (reply !== undefined) finish(() => resolve(reply.value));
      } catch (error) {
        fail(error);
      }
    });
    socket.on('error', fail);
    socket.on('close', () => fail(new Error('Redis closed the connection')));
  });
}

function encode(args: readonly (string | Uint8Array)[]): Buffer {
  const parts: Buffer[] = [Buffer.from(`*${args.length}${CRLF}`)];
  for (const arg of args) {
    const bytes = typeof arg === 'string' ? Buffer.from(arg) : Buffer.from(arg);
    parts.push(Buffer.from(`$${bytes.length}${CRLF}`), bytes, Buffer.from(CRLF));
  }
  return Buffer.concat(parts);
}

/** The reply that begins at `at`; undefined while it is incomplete. */
function readReply(data: Buffer, at: number): { readonly value: Reply; readonly end: number } | undefined {
  const lineEnd = data.indexOf(CRLF, at);
  if (lineEnd < 0) return undefined;
  const type = String.fromCharCode(data[at] ?? 0);
  const line = data.toString('utf8', at + 1, lineEnd);
  const next = lineEnd + 2;
  if (type === '+') return { value: line, end: next };
  if (type === '-') return { value: new RedisError(line), end: next };
  if (type === ':') return { value: Number(line), end: next };
  const length = Number(line);
  if (type === '$') {
    if (length < 0) return { value: null, end: next };
    if (data.length < next + length + 2) return undefined;
    return { value: textOrBytes(data.subarray(next, next + length)), end: next + length + 2 };
  }
  if (type !== '*') throw new Error(`Redis sent a reply of unknown type '${type}'`);
  if (length < 0) return { value: null, end: next };
  const list: Reply[] = [];
  let end = next;
  for (let index = 0; index < length; index += 1) {
    const item = readReply(data, end);
    if (item === undefined) return undefined;
    list.push(item.value);
    end = item.end;
  }
  return { value: list, end };
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

function textOrBytes(bytes: Uint8Array): string | Uint8Array {
  try {
    return utf8.decode(bytes);
  } catch (error) {
    if (error instanceof TypeError) return new Uint8Array(bytes);
    throw error;
  }
}
