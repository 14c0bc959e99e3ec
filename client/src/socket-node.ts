/** The socket on Node.js. The only file that imports `ws`. */
import type { Socket as NetSocket } from 'node:net';
import { LIMITS } from '@rma/protocol/limits';
import { WebSocket } from 'ws';
import type { Dial } from './socket.js';

/** Runs once what this turn of the event loop brought is handled, so that its sends go out together. */
export function defer(run: () => void): void {
  setImmediate(run);
}

export const platform = `node ${process.versions.node}`;

export const dial: Dial = (url, subprotocols, events) => {
  const socket = new WebSocket(url, [...subprotocols], {
    perMessageDeflate: false,
    maxPayload: LIMITS.maxFrameBytes,
    handshakeTimeout: 10_000,
    followRedirects: false,
  });
  let raw: NetSocket | undefined;
  let failure = '';
  let heard = true;

  socket.on('upgrade', (response) => {
    raw = response.socket;
  });
  socket.on('open', () => heard && events.opened());
  socket.on('message', (data, isBinary) => {
    if (heard) events.frame(isBinary ? (data as Buffer) : (data as Buffer).toString());
  });
  socket.on('error', (error) => {
    failure = reasonOf(error);
  });
  socket.on('close', (code, reason) => heard && events.closed(code, reason.toString() || failure));

  const sent = () => {
    if (heard && socket.bufferedAmount === 0) events.drained();
  };
  return {
    send(frames) {
      if (socket.readyState !== WebSocket.OPEN) return;
      raw?.cork();
      for (let i = 0; i < frames.length - 1; i += 1) socket.send(frames[i] as Uint8Array);
      const last = frames.at(-1);
      if (last !== undefined) socket.send(last, sent);
      raw?.uncork();
    },
    bufferedBytes: () => socket.bufferedAmount,
    close(code, reason) {
      socket.close(code, reason);
    },
    discard() {
      heard = false;
      socket.terminate();
    },
  };
};

/** With several addresses to try, Node's error has no message of its own but one a try. */
function reasonOf(error: Error & { code?: string; errors?: unknown[] }): string {
  const inner = error.errors?.find((one) => one instanceof Error);
  return error.message || (inner ? reasonOf(inner) : (error.code ?? 'the connection failed'));
}
