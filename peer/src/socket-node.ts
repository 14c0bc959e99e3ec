/** The socket on Node.js. The only file of this package that imports `ws`. */
import type { IncomingMessage } from 'node:http';
import type { Socket as NetSocket } from 'node:net';
import { LIMITS } from '@rma/protocol/limits';
import { WebSocket } from 'ws';
import type { Dial } from './socket.js';

const HANDSHAKE_TIMEOUT_MS = 10_000;

/** Runs at the end of this tick of the event loop, so that its sends go out together. */
export function defer(run: () => void): void {
  setImmediate(run);
}

export const platform = `node ${process.versions.node}`;

export const dial: Dial = (url, subprotocols, events) => {
  const socket = new WebSocket(url, [...subprotocols], {
    perMessageDeflate: false,
    maxPayload: LIMITS.maxFrameBytes,
    handshakeTimeout: HANDSHAKE_TIMEOUT_MS,
    followRedirects: false,
  });
  let raw: NetSocket | undefined;
  let failure = '';
  let isReporting = true;
  const closed = (code: number, detail: string): void => {
    if (!isReporting) return;
    isReporting = false;
    events.closed(code, detail);
  };

  socket.on('upgrade', (response: IncomingMessage) => {
    raw = response.socket;
  });
  socket.on('unexpected-response', (request, response) => {
    response.resume();
    request.destroy();
    closed(1006, explainStatus(response.statusCode ?? 0, url));
  });
  socket.on('open', () => isReporting && events.opened());
  socket.on('message', (data, isBinary) => {
    if (isReporting) events.frame(isBinary ? (data as Buffer) : (data as Buffer).toString());
  });
  socket.on('error', (error) => {
    failure = explainError(error);
  });
  socket.on('close', (code, reason) => closed(code, reason.toString() || failure));

  const sent = () => {
    if (isReporting && socket.bufferedAmount === 0) events.drained();
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
      isReporting = false;
      socket.terminate();
    },
  };
};

/** What to do about the errors that people meet, by Node's code. */
const HINTS: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'nothing listens there; is the coordinator running, and is the port right?',
  ENOTFOUND: 'this host name is not known; check the URL',
  EAI_AGAIN: 'the name server does not answer; check the network',
  EHOSTUNREACH: 'the host cannot be reached; check the network',
  ENETUNREACH: 'there is no network',
  ETIMEDOUT: 'no answer in time; a firewall may be in between',
  ECONNRESET: 'the connection was reset',
  DEPTH_ZERO_SELF_SIGNED_CERT: 'its certificate is self-signed; name it in NODE_EXTRA_CA_CERTS',
  SELF_SIGNED_CERT_IN_CHAIN: 'its certificate is self-signed; name it in NODE_EXTRA_CA_CERTS',
  CERT_HAS_EXPIRED: 'its certificate has expired',
};

function explainError(error: Error & { code?: string; errors?: unknown[] }): string {
  // A name with several addresses fails with one error for all of them, which has no message of its own.
  const first = error.message === '' ? error.errors?.find((one) => one instanceof Error) : undefined;
  if (first) return explainError(first);
  const message = error.message || (error.code ?? 'the connection failed');
  const hint = HINTS[error.code ?? ''];
  return hint === undefined ? message : `${message}: ${hint}`;
}

function explainStatus(status: number, url: string): string {
  const { host } = new URL(url);
  if (status === 401 || status === 403) return `${host} refused the connection (HTTP ${status})`;
  if (status === 404) return `${host} knows no /ws (HTTP 404): is it a coordinator? Check the URL`;
  if (status === 429 || status === 503) return `${host} has no room now (HTTP ${status})`;
  if (status >= 300 && status < 400)
    return `${host} redirects elsewhere (HTTP ${status}): give the final address as the URL`;
  return `${host} answered HTTP ${status} instead of opening a WebSocket`;
}
