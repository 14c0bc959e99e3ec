/** The port to a WebSocket. Two adapters, one for Node.js and one for browsers, with the same sections in the same order. */

export type Frame = string | Uint8Array;

/** What a socket tells. Nothing more comes after `closed`, or after `discard`. */
export interface SocketEvents {
  opened(): unknown;
  frame(frame: Frame): unknown;
  /** What `send` buffered has left. */
  drained(): unknown;
  /** Also where it never opened. 1006 with the reason where the peer said nothing. */
  closed(code: number, reason: string): unknown;
}

export interface Socket {
  /** Sends the frames in order, as one write where the platform permits. Ignored once the socket closes. */
  send(frames: readonly Frame[]): void;
  /** Bytes that have not left yet. */
  bufferedBytes(): number;
  /** Starts the closing handshake. */
  close(code: number, reason: string): void;
  /** Drops the connection at once, without another event. */
  discard(): void;
}

export type Dial = (url: string, subprotocols: readonly string[], events: SocketEvents) => Socket;
