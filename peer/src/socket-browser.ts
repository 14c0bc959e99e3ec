/** The socket in browsers, and wherever else WebSocket is a global. */
import type { Dial } from './socket.js';

/** Browsers report no drain. */
const DRAIN_POLL_MS = 20;

/** Runs at the end of this tick of the event loop, so that its sends go out together. */
export function defer(run: () => void): void {
  queueMicrotask(run);
}

export const platform = 'browser';

export const dial: Dial = (url, subprotocols, events) => {
  const socket = new WebSocket(url, [...subprotocols]);
  socket.binaryType = 'arraybuffer';
  let isReporting = true;
  let polling: ReturnType<typeof setTimeout> | undefined;

  socket.onopen = () => isReporting && events.opened();
  socket.onmessage = ({ data }: MessageEvent<string | ArrayBuffer>) => {
    if (isReporting) events.frame(typeof data === 'string' ? data : new Uint8Array(data));
  };
  socket.onclose = ({ code, reason }) => {
    clearTimeout(polling);
    if (isReporting) events.closed(code, reason || (code === 1006 ? 'the connection failed' : ''));
  };

  const poll = () => {
    polling = undefined;
    if (!isReporting || socket.readyState !== WebSocket.OPEN) return;
    if (socket.bufferedAmount === 0) events.drained();
    else polling = setTimeout(poll, DRAIN_POLL_MS);
  };
  return {
    send(frames) {
      if (socket.readyState !== WebSocket.OPEN) return;
      // An ArrayBufferView of a SharedArrayBuffer cannot be sent; none of ours is one.
      for (const frame of frames) socket.send(frame as string | Uint8Array<ArrayBuffer>);
      if (polling === undefined && socket.bufferedAmount > 0) polling = setTimeout(poll, DRAIN_POLL_MS);
    },
    bufferedBytes: () => socket.bufferedAmount,
    close(code, reason) {
      // Browsers admit 1000 and 3000 to 4999 only.
      socket.close(code === 1000 || code >= 3_000 ? code : 1000, reason);
    },
    discard() {
      isReporting = false;
      clearTimeout(polling);
      socket.close();
    },
  };
};
