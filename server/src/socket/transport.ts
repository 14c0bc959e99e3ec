/**
 * The transport port: WebSockets and HTTP on one listening address. Two adapters implement it, uws.ts
 * (uWebSockets.js) and ws.ts (ws on node:http); one conformance suite in tests/socket runs on both.
 */

/**
 * What `send` did: handed over to the system, queued in this socket's buffer, or dropped because more than
 * `maxBufferedBytes` waited already (the socket then closes) or because the socket is closed.
 */
export type SendResult = 'sent' | 'buffered' | 'dropped';

/** One WebSocket. After it closed every method is harmless and does nothing. */
export interface Socket {
  /** Unique in this process. */
  readonly id: number;
  /** The negotiated subprotocol, empty where none was. */
  readonly protocol: string;
  /** The peer's address; the forwarded one only where the transport trusts its proxy. */
  readonly remoteAddress: string;
  /** The Cookie header that came with the upgrade, or empty. */
  readonly cookie: string;
  /** Bytes that wait in user space for this peer; inside `cork` also what the cork holds. */
  readonly bufferedBytes: number;
  /**
   * A string goes as a text frame, bytes as a binary frame. An adapter may hold the bytes until they have left: don't
   * reuse their memory. Inside `cork` the result only reflects what was buffered before.
   */
  send(data: string | Uint8Array): SendResult;
  /** Runs `fn`; what it sends to this socket leaves in one write (in a few, past 16 KiB). */
  cork(fn: () => void): void;
  /** From now on `Transport.publish` of this channel sends to this socket, too. */
  subscribe(channel: string): void;
  unsubscribe(channel: string): void;
  /**
   * Closes with a code and reason (cut to 123 bytes) after what is buffered. From here on no message and no drain is
   * handed on; the close handler fires once with this code, after this call. A peer that does not finish is cut off in
   * about 5 s.
   * Throws a RangeError for a code that may not be sent.
   */
  close(code: number, reason: string): void;
  /** Drops the connection at once; the close handler gets 1006. */
  terminate(): void;
}

/** The head of a request. Header names are lower case. */
export interface RequestHead {
  readonly method: string;
  /** As sent, not decoded. */
  readonly path: string;
  /** What follows the question mark, as sent, or empty. */
  readonly query: string;
  /** A repeated header's values are joined with a comma (a cookie's with a semicolon). */
  readonly headers: ReadonlyMap<string, string>;
  readonly remoteAddress: string;
}

export type UpgradeVerdict =
  | { readonly accept: true; readonly protocol: string }
  | { readonly accept: false; readonly status: number; readonly message: string };

export interface HttpRequest extends RequestHead {
  /** Bytes of the body as announced; `maxBodyBytes` where it comes in chunks. */
  readonly announcedBytes: number;
  /**
   * The whole body. It is read from now on only: until then the peer's bytes wait in the system's buffers, but for what
   * came with the head. Rejects with `BodyTooLarge` past `limitBytes`, at most `maxBodyBytes` (a handler that lets it
   * through is answered with 413), and with `RequestAborted` where the peer goes away.
   * @param limitBytes of the first call
   */
  body(limitBytes?: number): Promise<Uint8Array>;
  /** Aborted, with a `RequestAborted`, when the peer goes away before the response has ended. */
  readonly signal: AbortSignal;
}

/** A streamed response's sink. The head leaves with the first write. After an abort, writes vanish. */
export interface ResponseStream {
  /** False means: wait for `drained()` before the next write. A peer that takes nothing for about 10 s is cut off. */
  write(data: string | Uint8Array): boolean;
  /** Rejects with `RequestAborted` when the peer is gone. */
  drained(): Promise<void>;
  end(): void;
}

export interface HttpResponse {
  /** 200 to 599. */
  readonly status: number;
  /** Content-Length, Transfer-Encoding, Connection, Keep-Alive and Date are the transport's own: they are left out here. */
  readonly headers?: Readonly<Record<string, string | readonly string[]>>;
  /** The whole body, or a function that streams it and may leave the end to the transport; a HEAD request's body is not sent. */
  readonly body?: string | Uint8Array | ((stream: ResponseStream, signal: AbortSignal) => Promise<void>);
}

/** What the transport calls for WebSockets. */
export interface SocketHandlers {
  /**
   * Decides synchronously over an upgrade of `GET /ws`; `protocols` are what the peer offered, in order. A peer may go
   * away before an accepted one opens: count sockets in `open`, not here.
   */
  upgrade(head: RequestHead, protocols: readonly string[]): UpgradeVerdict;
  open(socket: Socket): void;
  /** `data` belongs to the callee: a string for a text frame, bytes (already copied) for a binary one. */
  message(socket: Socket, data: string | Uint8Array): void;
  /** The socket's buffer, in which something waited, is empty again. */
  drain(socket: Socket): void;
  /**
   * Fires exactly once for each opened socket, whichever side closed: the code and reason given to `close`, those that the
   * peer sent (1005: none), or why the transport cut it: 1002 broken framing, 1007 text that is not UTF-8, 1009 too
   * large a frame, 1013 more than `maxBufferedBytes` waited, 1006 for anything else.
   */
  close(socket: Socket, code: number, reason: string): void;
}

/** All that the transport calls. Exceptions and rejections of a handler go to `error`; the process continues. */
export interface TransportHandlers extends SocketHandlers {
  /** A rejected promise is answered with 500 and given to `error`. */
  request(request: HttpRequest): HttpResponse | Promise<HttpResponse>;
  /** An exception or rejection of a handler. */
  error(error: unknown): void;
}

export interface TransportOptions {
  /**
   * The largest message that is taken. A larger one closes the socket with 1009 and a reason that names the limit; past
   * twice the limit the connection is cut without reading on (the peer then sees 1006 from uWebSockets.js).
   */
  readonly maxFrameBytes: number;
  /** Once more than this waits for one socket, the next frame is dropped and the socket cut: a limit, overshot by one frame. */
  readonly maxBufferedBytes: number;
  readonly maxBodyBytes: number;
  /** Take the peer's address from the last entry of `proxyHeader`. */
  readonly trustProxy: boolean;
  /** In lower case; X-Forwarded-For, unless the proxy puts more behind the peer's address there. */
  readonly proxyHeader?: string | undefined;
}

export interface Transport {
  readonly name: 'uws' | 'ws';
  /** Resolves with the bound port (0 picks a free one); rejects with an error that carries `code: 'EADDRINUSE'` for a taken one. */
  listen(host: string, port: number): Promise<{ port: number }>;
  /** Sends one frame to all sockets of a channel, in order with what is sent to each; one that cannot take it is cut. */
  publish(channel: string, data: string | Uint8Array): void;
  /** Stops accepting connections; open sockets go on. */
  stopListening(): void;
  /** Cuts everything that is still open, and resolves when all close handlers have run. */
  close(): Promise<void>;
}

/** How an adapter is made. */
export type TransportFactory = (options: TransportOptions, handlers: TransportHandlers) => Transport;

/** Thrown by `HttpRequest.body()`. */
export class BodyTooLarge extends Error {
  constructor(readonly limitBytes: number) {
    super(`the request body exceeds ${limitBytes} bytes`);
    this.name = 'BodyTooLarge';
  }
}

/** The reason of `HttpRequest.signal`, `HttpRequest.body()` and `ResponseStream.drained()` when the peer disconnected; not an error of the handler. */
export class RequestAborted extends Error {
  constructor() {
    super('the peer disconnected before the response had ended');
    this.name = 'RequestAborted';
  }
}

let lastSocketId = 0;

/** For the adapters: a socket id that no other has in this process. */
export function nextSocketId(): number {
  lastSocketId += 1;
  return lastSocketId;
}
