/**
 * One HTTP request and its response, alike for both adapters: collects the body up to its limit, calls the handler,
 * answers 413 and 500, streams with backpressure, signals an abort. The adapter feeds it the body and gives it a sink.
 */
import { validateHeaderName, validateHeaderValue } from 'node:http';
import { announcedBytes } from './request-head.js';
import type { HttpRequest, HttpResponse, RequestHead, ResponseStream, TransportHandlers } from './transport.js';
import { BodyTooLarge, RequestAborted } from './transport.js';

/** Checked header lines, without those that frame the response. */
export type HeaderLines = readonly (readonly [name: string, value: string])[];

/** How one response is written; implemented by each adapter. Never called after an abort or an end. */
export interface ResponseSink {
  /** Sends a whole response. Without a body only the head goes, with the length where one is given. */
  respond(status: number, headers: HeaderLines, body: string | Uint8Array | undefined, length?: number): void;
  /** Sends the head and first bytes of a response of unknown length; false where they had to be buffered. */
  begin(status: number, headers: HeaderLines, data: string | Uint8Array): boolean;
  write(data: string | Uint8Array): boolean;
  end(): void;
  destroy(): void;
}

type State = 'waiting' | 'streaming' | 'done' | 'aborted';

interface Waiter<T> {
  resolve(value: T): void;
  reject(error: unknown): void;
}

const TRANSPORT_HEADERS = new Set(['content-length', 'transfer-encoding', 'connection', 'keep-alive', 'date']);
const PLAIN_TEXT: HeaderLines = [['content-type', 'text/plain; charset=utf-8']];

export class HttpExchange implements HttpRequest {
  readonly method: string;
  readonly path: string;
  readonly query: string;
  readonly headers: ReadonlyMap<string, string>;
  readonly remoteAddress: string;

  #state: State = 'waiting';
  #chunks: Uint8Array[] = [];
  #receivedBytes = 0;
  #bodyComplete = false;
  #bodyTooLarge: boolean;
  #limitBytes: number;
  #body: Promise<Uint8Array> | undefined;
  #bodyWaiter: Waiter<Uint8Array> | undefined;
  #abortController: AbortController | undefined;
  #full = false;
  #drainWaiters: Waiter<void>[] = [];

  /** `readBody` is called when the handler first asks for the body, or answers without it: then the rest is discarded. */
  constructor(
    head: RequestHead,
    private readonly maxBodyBytes: number,
    private readonly handlers: Pick<TransportHandlers, 'request' | 'error'>,
    private readonly sink: ResponseSink,
    private readonly readBody: () => void,
  ) {
    this.method = head.method;
    this.path = head.path;
    this.query = head.query;
    this.headers = head.headers;
    this.remoteAddress = head.remoteAddress;
    this.#limitBytes = maxBodyBytes;
    this.#bodyTooLarge = this.announcedBytes > maxBodyBytes;
  }

  // For the handler.

  get signal(): AbortSignal {
    if (this.#abortController === undefined) {
      this.#abortController = new AbortController();
      if (this.#state === 'aborted') this.#abortController.abort(new RequestAborted());
    }
    return this.#abortController.signal;
  }

  get announcedBytes(): number {
    return announcedBytes(this.headers) ?? this.maxBodyBytes;
  }

  body(limitBytes = this.maxBodyBytes): Promise<Uint8Array> {
    if (this.#body === undefined) {
      this.#limitBytes = Math.min(limitBytes, this.maxBodyBytes);
      const isKnown = announcedBytes(this.headers) !== undefined;
      this.#bodyTooLarge ||= Math.max(this.#receivedBytes, isKnown ? this.announcedBytes : 0) > this.#limitBytes;
      this.#body = new Promise((resolve, reject) => {
        this.#bodyWaiter = { resolve, reject };
      });
      // A handler may fail before it awaits this: the rejection must not count as unhandled.
      this.#body.catch(() => undefined);
      if (this.collecting) this.readBody();
      this.#settleBody();
    }
    return this.#body;
  }

  // For the adapter.

  /** Whether further bytes of the body are needed; otherwise the adapter need not copy them. */
  get collecting(): boolean {
    return !this.#bodyComplete && !this.#bodyTooLarge && (this.#state === 'waiting' || this.#state === 'streaming');
  }

  /** Whether the handler may still ask for the body, and has not: no more of it must be read than cannot be helped. */
  get isUnasked(): boolean {
    return this.collecting && this.#body === undefined;
  }

  /** Takes ownership of bytes of the body. */
  receive(chunk: Uint8Array): void {
    if (!this.collecting) return;
    this.#receivedBytes += chunk.byteLength;
    if (this.#receivedBytes > this.#limitBytes) {
      this.#bodyTooLarge = true;
      this.#chunks = [];
    } else {
      this.#chunks.push(chunk);
    }
    this.#settleBody();
  }

  /** The body is complete. */
  receivedAll(): void {
    if (!this.collecting) return;
    this.#bodyComplete = true;
    this.#settleBody();
  }

  /** The sink's buffer has room again. */
  writable(): void {
    this.#full = false;
    for (const waiter of this.#drainWaiters.splice(0)) waiter.resolve();
  }

  /** The connection is gone. */
  abort(): void {
    if (this.#state === 'done' || this.#state === 'aborted') return;
    this.#state = 'aborted';
    for (const waiter of this.#drainWaiters.splice(0)) waiter.reject(new RequestAborted());
    this.#settleBody();
    this.#abortController?.abort(new RequestAborted());
  }

  /** Calls the handler and sends what it answers. Never rejects. */
  async run(): Promise<void> {
    try {
      const answer = this.handlers.request(this);
      const streaming = this.#answer(answer instanceof Promise ? await answer : answer);
      if (streaming !== undefined) await streaming;
    } catch (error) {
      this.#fail(error);
    }
  }

  #answer(response: HttpResponse): Promise<void> | undefined {
    if (this.#state !== 'waiting') return undefined;
    const { status, body } = response;
    if (!Number.isInteger(status) || status < 200 || status > 599) throw new RangeError(`${status} is no HTTP status`);
    const headers = headerLines(response.headers ?? {});
    const headOnly = this.method === 'HEAD' || status === 204 || status === 304;
    if (typeof body === 'function') {
      if (!headOnly) return this.#stream(status, headers, body);
      this.#respond(status, headers, undefined);
    } else {
      const content = body ?? '';
      const length = status === 204 || status === 304 ? undefined : Buffer.byteLength(content);
      this.#respond(status, headers, headOnly ? undefined : content, length);
    }
    return undefined;
  }

  async #stream(
    status: number,
    headers: HeaderLines,
    produce: (stream: ResponseStream, signal: AbortSignal) => Promise<void>,
  ): Promise<void> {
    const stream: ResponseStream = {
      write: (data) => {
        if (this.#state !== 'waiting' && this.#state !== 'streaming') return false;
        if (data.length === 0) return !this.#full;
        const first = this.#state === 'waiting';
        this.#state = 'streaming';
        this.#full = !(first ? this.sink.begin(status, headers, data) : this.sink.write(data));
        return !this.#full;
      },
      drained: () => this.#drained(),
      end: () => {
        if (this.#state === 'waiting') this.#respond(status, headers, '', 0);
        if (this.#state !== 'streaming') return;
        this.#finish();
        this.sink.end();
      },
    };
    await produce(stream, this.signal);
    stream.end();
  }

  #drained(): Promise<void> {
    if (this.#state === 'aborted') return Promise.reject(new RequestAborted());
    if (!this.#full) return Promise.resolve();
    return new Promise((resolve, reject) => this.#drainWaiters.push({ resolve, reject }));
  }

  #respond(status: number, headers: HeaderLines, body: string | Uint8Array | undefined, length?: number): void {
    this.#finish();
    this.sink.respond(status, headers, body, length);
  }

  #fail(error: unknown): void {
    if (error instanceof RequestAborted && this.#state === 'aborted') return;
    if (error instanceof BodyTooLarge && this.#state === 'waiting') {
      const message = `${error.message}\n`;
      this.#respond(413, PLAIN_TEXT, message, Buffer.byteLength(message));
      return;
    }
    if (this.#state === 'waiting') {
      const message = 'internal error\n';
      this.#respond(500, PLAIN_TEXT, message, message.length);
    } else if (this.#state === 'streaming') {
      // The status was sent already: only a broken connection signals that the body is incomplete.
      this.#finish();
      this.sink.destroy();
    }
    this.handlers.error(error);
  }

  #finish(): void {
    const isUnasked = this.isUnasked;
    this.#state = 'done';
    if (isUnasked) this.readBody();
    this.writable();
    this.#settleBody();
  }

  #settleBody(): void {
    const ended = this.#state === 'done' || this.#state === 'aborted';
    const waiter = this.#bodyWaiter;
    if (waiter !== undefined) {
      if (this.#bodyComplete) waiter.resolve(Buffer.concat(this.#chunks));
      else if (this.#bodyTooLarge) waiter.reject(new BodyTooLarge(this.#limitBytes));
      else if (this.#state === 'aborted') waiter.reject(new RequestAborted());
      else if (ended) waiter.reject(new Error('the response ended before the request body was read'));
      else return;
      this.#bodyWaiter = undefined;
      this.#chunks = [];
    } else if (ended) {
      this.#chunks = [];
      this.#bodyComplete = false;
    }
  }
}

function headerLines(headers: NonNullable<HttpResponse['headers']>): HeaderLines {
  const lines: [string, string][] = [];
  for (const [name, values] of Object.entries(headers)) {
    if (TRANSPORT_HEADERS.has(name.toLowerCase())) continue;
    validateHeaderName(name);
    for (const value of typeof values === 'string' ? [values] : values) {
      validateHeaderValue(name, value);
      lines.push([name, value]);
    }
  }
  return lines;
}
