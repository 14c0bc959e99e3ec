/**
 * A socket of the ws transport: limits, corks, drains and closes, which uWebSockets.js has and ws leaves to its user.
 */
import type { Writable } from 'node:stream';
import {
  CLOSE_ABNORMAL,
  CLOSE_INVALID_TEXT,
  CLOSE_OVERLOADED,
  CLOSE_PROTOCOL_ERROR,
  CLOSE_TOO_LARGE,
  closeFrame,
  overflowReason,
  tooLargeReason,
} from './close-code.js';
import {
  nextSocketId,
  type SendResult,
  type Socket,
  type TransportHandlers,
  type TransportOptions,
} from './transport.js';

/** What is used of ws's WebSocket. */
export interface NativeSocket {
  readonly OPEN: number;
  readonly readyState: number;
  readonly bufferedAmount: number;
  send(data: string | Uint8Array, options: { binary: boolean; compress: boolean }, done: () => void): void;
  close(code: number, reason: string): void;
  terminate(): void;
  on(event: 'message', listener: (data: Buffer, isBinary: boolean) => void): unknown;
  on(event: 'close', listener: (code: number, reason: Buffer) => void): unknown;
  on(event: 'error', listener: (error: Error) => void): unknown;
}

/** A cork that holds more is emptied in between. */
const CORK_BYTES = 16 * 1024;

/** The sockets of each channel: ws has no publish of its own. */
export class Channels {
  readonly #sockets = new Map<string, Set<WsSocket>>();

  /** A copy: sending to one socket may remove another. */
  socketsOf(channel: string): WsSocket[] {
    return [...(this.#sockets.get(channel) ?? [])];
  }

  add(channel: string, socket: WsSocket): void {
    const sockets = this.#sockets.get(channel);
    if (sockets === undefined) this.#sockets.set(channel, new Set([socket]));
    else sockets.add(socket);
  }

  remove(channel: string, socket: WsSocket): void {
    const sockets = this.#sockets.get(channel);
    if (sockets?.delete(socket) && sockets.size === 0) this.#sockets.delete(channel);
  }
}

export class WsSocket implements Socket {
  readonly id = nextSocketId();
  readonly #subscriptions = new Set<string>();
  #closed = false;
  #corked = false;
  /** Something waited after the last send: a drain is due. */
  #waiting = false;

  constructor(
    private readonly native: NativeSocket,
    /** The connection under it, for corking. */
    private readonly net: Writable,
    readonly protocol: string,
    readonly remoteAddress: string,
    readonly cookie: string,
    private readonly options: TransportOptions,
    private readonly handlers: TransportHandlers,
    private readonly channels: Channels,
  ) {
    native.on('message', (data: Buffer, isBinary) => this.#received(data, isBinary));
    native.on('close', (code, reason) => this.#gone(code, reason.toString()));
    native.on('error', (error) => this.#gone(failureCode(error), error.message));
  }

  get bufferedBytes(): number {
    return this.#closed ? 0 : this.native.bufferedAmount;
  }

  send(data: string | Uint8Array): SendResult {
    return this.transmit(data, typeof data !== 'string');
  }

  cork(fn: () => void): void {
    if (this.#closed || this.#corked) {
      fn();
      return;
    }
    this.#corked = true;
    this.net.cork();
    try {
      fn();
    } finally {
      this.#corked = false;
      this.net.uncork();
      this.#noteWaiting();
    }
  }

  subscribe(channel: string): void {
    if (this.#closed) return;
    this.#subscriptions.add(channel);
    this.channels.add(channel, this);
  }

  unsubscribe(channel: string): void {
    this.#subscriptions.delete(channel);
    this.channels.remove(channel, this);
  }

  close(code: number, reason: string): void {
    const frame = closeFrame(code, reason);
    this.#end(frame.code, frame.reason, () => this.native.close(frame.code, frame.reason));
  }

  terminate(): void {
    this.#end(CLOSE_ABNORMAL, '', () => this.native.terminate());
  }

  // What the transport calls.

  /** `send` for a text that is encoded already. */
  transmit(payload: string | Uint8Array, binary: boolean): SendResult {
    if (this.#closed || this.native.readyState !== this.native.OPEN) return 'dropped';
    if (this.#corked && this.native.bufferedAmount > CORK_BYTES) {
      this.net.uncork();
      this.net.cork();
      this.#noteWaiting();
    }
    const waiting = this.native.bufferedAmount;
    if (waiting > this.options.maxBufferedBytes) {
      this.#end(CLOSE_OVERLOADED, overflowReason(waiting, this.options.maxBufferedBytes), () =>
        this.native.terminate(),
      );
      return 'dropped';
    }
    this.native.send(payload, { binary, compress: false }, this.#written);
    if (!this.#corked) this.#noteWaiting();
    return this.#waiting ? 'buffered' : 'sent';
  }

  /** Drops the connection, also one that lingers after its close. */
  cut(): void {
    this.terminate();
    this.native.terminate();
  }

  #received(data: Buffer, isBinary: boolean): void {
    if (this.#closed) return;
    if (data.byteLength > this.options.maxFrameBytes) {
      this.close(CLOSE_TOO_LARGE, tooLargeReason(data.byteLength, this.options.maxFrameBytes));
    } else {
      this.handlers.message(this, isBinary ? data : data.toString());
    }
  }

  #noteWaiting(): void {
    if (!this.#closed && this.native.bufferedAmount > 0) this.#waiting = true;
  }

  readonly #written = (): void => {
    if (!this.#waiting || this.#closed || this.native.bufferedAmount > 0) return;
    this.#waiting = false;
    this.handlers.drain(this);
  };

  #gone(code: number, reason: string): void {
    if (this.#markClosed()) this.handlers.close(this, code, reason);
  }

  /** Ends it for the callers at once and reports it after the caller. */
  #end(code: number, reason: string, end: () => void): void {
    if (!this.#markClosed()) return;
    end();
    queueMicrotask(() => this.handlers.close(this, code, reason));
  }

  #markClosed(): boolean {
    if (this.#closed) return false;
    this.#closed = true;
    for (const channel of this.#subscriptions) this.channels.remove(channel, this);
    return true;
  }
}

/** ws names what is wrong with a peer's frames by the error's code; a failed connection has another, or none. */
function failureCode(error: Error): number {
  const code = 'code' in error && typeof error.code === 'string' ? error.code : '';
  if (code.startsWith('WS_ERR_UNSUPPORTED_')) return CLOSE_TOO_LARGE;
  if (code === 'WS_ERR_INVALID_UTF8') return CLOSE_INVALID_TEXT;
  return code.startsWith('WS_ERR_') ? CLOSE_PROTOCOL_ERROR : CLOSE_ABNORMAL;
}
