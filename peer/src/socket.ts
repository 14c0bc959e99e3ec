/** The port to a WebSocket. Two adapters, for Node.js and for browsers, have the same sections in the same order. */

export type Frame = string | Uint8Array;

/** What a socket reports. Nothing more comes after `closed`, or after `discard`. */
export interface SocketEvents {
  opened(): void;
  frame(frame: Frame): void;
  /** What `send` buffered has left the process. */
  drained(): void;
  /** Once, also where it never opened; 1006 where the other side sent no code. `detail` is for people. */
  closed(code: number, detail: string): void;
}

export interface Socket {
  /** Sends the frames in order, corked into one write where the platform permits. Ignored unless open. */
  send(frames: readonly Frame[]): void;
  /** Bytes that have not left the process. */
  bufferedBytes(): number;
  /** Starts the closing handshake; `closed` follows. */
  close(code: number, reason: string): void;
  /** Cuts the connection at once and reports nothing more. */
  discard(): void;
}

export type Dial = (url: string, subprotocols: readonly string[], events: SocketEvents) => Socket;
