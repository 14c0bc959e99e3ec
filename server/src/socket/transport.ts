/**
 * The transport port: WebSockets and HTTP on one listening address. Two adapters implement it, uws.ts
 * (uWebSockets.js) and ws.ts (ws on node:http); one conformance suite in tests/socket runs on both.
 */

/** What `send` did: handed over, queued in this socket's buffer, or dropped because the buffer is full (the socket then closes). */
export type SendResult = 'sent' | 'buffered' | 'dropped';

export interface Socket {
  /** Unique in this process. */
  readonly id: number;
  /** The negotiated subprotocol. */
  readonly protocol: string;
  /** The peer's address; the forwarded one only where the transport trusts its proxy. */
  readonly remoteAddress: string;
  /** Bytes that wait in user space for this peer. */
  readonly bufferedBytes: number;
  /** A string goes as a text frame, bytes as a binary frame. After the socket closed it does nothing and answers `dropped`. */
  send(data: string | Uint8Array): SendResult;
  /** Runs `fn`; all that it sends to this socket leaves in one write. */
  cork(fn: () => void): void;
  subscribe(topic: string): void;
  unsubscribe(topic: string): void;
  /** Closes with a code and reason after what is buffered; the close handler fires once. */
  close(code: number, reason: string): void;
  /** Drops the connection at once. */
  terminate(): void;
}

/** All that is known of a request when its head arrived. Header names are lower case. */
export interface RequestHead {
  readonly method: string;
  readonly path: string;
  readonly query: string;
  readonly headers: ReadonlyMap<string, string>;
  readonly remoteAddress: string;
}

export type UpgradeVerdict =
  | { readonly accept: true; readonly protocol: string }
  | { readonly accept: false; readonly status: number; readonly message: string };

export interface HttpRequest extends RequestHead {
  /** The whole body. Rejects with `BodyTooLarge` past `maxBodyBytes`; the transport answers 413 for a handler that lets it through. */
  body(): Promise<Uint8Array>;
  /** Aborted when the peer goes away before the response has ended. */
  readonly signal: AbortSignal;
}

/** A streamed response's sink. */
export interface ResponseStream {
  /** False means: wait for `drained()` before the next write. */
  write(data: string | Uint8Array): boolean;
  drained(): Promise<void>;
  end(): void;
}

export interface HttpResponse {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  /** The whole body, or a function that streams it; a HEAD request's body is not sent. */
  readonly body?: string | Uint8Array | ((stream: ResponseStream, signal: AbortSignal) => Promise<void>);
}

export interface TransportHandlers {
  /** Decides synchronously over an upgrade of `GET /ws`; `protocols` are what the peer offered, in order. */
  upgrade(head: RequestHead, protocols: readonly string[]): UpgradeVerdict;
  open(socket: Socket): void;
  /** `data` belongs to the callee: a string for a text frame, bytes (already copied) for a binary one. */
  message(socket: Socket, data: string | Uint8Array): void;
  /** The socket's buffer is empty again after a `buffered`. */
  drain(socket: Socket): void;
  /** Fires exactly once for each opened socket, whoever closed. */
  close(socket: Socket, code: number, reason: string): void;
  /** A rejected promise is answered with 500 and given to `error`. */
  request(request: HttpRequest): HttpResponse | Promise<HttpResponse>;
  /** What went wrong inside a handler; the process goes on. */
  error(error: unknown): void;
}

export interface TransportOptions {
  /** The largest frame that is taken; a larger one closes the socket with 1009. */
  readonly maxFrameBytes: number;
  /** The most that is buffered for one socket; past it the socket is dropped with 1013 or terminated. */
  readonly maxBufferedBytes: number;
  readonly maxBodyBytes: number;
  /** Take the peer's address from the last entry of X-Forwarded-For. */
  readonly trustProxy: boolean;
}

export interface Transport {
  readonly name: 'uws' | 'ws';
  /** Resolves with the bound port; rejects with an error that carries `code: 'EADDRINUSE'` for a taken one. */
  listen(host: string, port: number): Promise<{ port: number }>;
  /** Sends one frame to all sockets that subscribed to the topic. */
  publish(topic: string, data: string | Uint8Array): void;
  /** Stops accepting connections; open sockets go on. */
  stopListening(): void;
  /** Ends everything that is still open. */
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
