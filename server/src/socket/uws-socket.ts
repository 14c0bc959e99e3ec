/**
 * A socket of the uWebSockets.js transport: states, corks and closes, so that the library's object is never used after
 * its end, where it throws, nor closed inside its own calls.
 */
import {
  CLOSE_ABNORMAL,
  CLOSE_INVALID_TEXT,
  CLOSE_OVERLOADED,
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

/** What is used of uWebSockets.js's WebSocket. */
export interface NativeSocket {
  send(data: string | Uint8Array, isBinary: boolean, compress: boolean): number;
  getBufferedAmount(): number;
  cork(fn: () => void): unknown;
  subscribe(channel: string): boolean;
  unsubscribe(channel: string): boolean;
  end(code: number, reason: string): void;
  close(): void;
}

const SEND_BUFFERED = 0;
const SEND_DONE = 1;

export class UwsSocket implements Socket {
  readonly id = nextSocketId();
  /** Undefined before it opened and after it closed: uWebSockets.js throws on any later use. */
  #native: NativeSocket | undefined;
  #corked = false;
  #afterCork: (() => void) | undefined;
  #dead = false;

  constructor(
    readonly protocol: string,
    readonly remoteAddress: string,
    readonly cookie: string,
    private readonly options: TransportOptions,
    private readonly handlers: TransportHandlers,
  ) {}

  get bufferedBytes(): number {
    return this.#native?.getBufferedAmount() ?? 0;
  }

  send(data: string | Uint8Array): SendResult {
    const outcome = this.#native?.send(data, typeof data !== 'string', false);
    if (outcome === SEND_DONE) return 'sent';
    return outcome === SEND_BUFFERED ? 'buffered' : 'dropped'; // `overflowed` has been called for a dropped frame
  }

  cork(fn: () => void): void {
    if (this.#native === undefined || this.#corked) {
      fn();
      return;
    }
    let failure: { readonly error: unknown } | undefined;
    this.#corked = true;
    this.#native.cork(() => {
      try {
        fn();
      } catch (error) {
        failure = { error }; // must not pass through native code
      }
    });
    this.#corked = false;
    this.#afterCork?.();
    this.#afterCork = undefined;
    if (failure !== undefined) throw failure.error;
  }

  subscribe(channel: string): void {
    this.#native?.subscribe(channel);
  }

  unsubscribe(channel: string): void {
    this.#native?.unsubscribe(channel);
  }

  close(code: number, reason: string): void {
    const frame = closeFrame(code, reason);
    this.#end(frame.code, frame.reason, (native) => native.end(frame.code, frame.reason));
  }

  terminate(): void {
    this.#end(CLOSE_ABNORMAL, '', (native) => native.close());
  }

  // What the transport calls.

  opened(native: NativeSocket): void {
    this.#native = native;
    this.handlers.open(this);
  }

  received(data: ArrayBuffer, isBinary: boolean): void {
    if (this.#native === undefined) return;
    if (data.byteLength > this.options.maxFrameBytes) {
      this.close(CLOSE_TOO_LARGE, tooLargeReason(data.byteLength, this.options.maxFrameBytes));
    } else {
      // The memory is uWebSockets.js's own and goes when this returns: copy it.
      this.handlers.message(this, isBinary ? new Uint8Array(data.slice(0)) : Buffer.from(data).toString());
    }
  }

  drained(): void {
    if (this.#native !== undefined && this.bufferedBytes === 0) this.handlers.drain(this);
  }

  overflowed(): void {
    const reason = overflowReason(this.bufferedBytes, this.options.maxBufferedBytes);
    // This is called from within a send or publish, which still uses the socket: cut it afterwards.
    this.#end(CLOSE_OVERLOADED, reason, (native) => {
      setImmediate(() => {
        if (!this.#dead) native.close();
      });
    });
  }

  gone(code: number, reason: string): void {
    this.#dead = true;
    if (this.#native === undefined) return;
    this.#native = undefined;
    this.handlers.close(this, failureCode(code, reason), reason);
  }

  /** Ends it for the callers at once, on the wire when no cork is in the way, and reports it after the caller. */
  #end(code: number, reason: string, end: (native: NativeSocket) => void): void {
    const native = this.#native;
    if (native === undefined) return;
    this.#native = undefined;
    if (this.#corked) this.#afterCork = () => end(native);
    else end(native);
    queueMicrotask(() => this.handlers.close(this, code, reason));
  }
}

/** uWebSockets.js reports its own reasons to cut a socket as 1006 and a text. */
function failureCode(code: number, reason: string): number {
  if (code !== CLOSE_ABNORMAL) return code;
  if (reason.includes('too big')) return CLOSE_TOO_LARGE;
  return reason.includes('UTF-8') ? CLOSE_INVALID_TEXT : code;
}
