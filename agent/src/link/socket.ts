/**
 * The agent's one door to `ws`: dials, and hands frames over. A connection tells `closed` exactly once, whether or not
 * it ever opened; after `abandon` it tells nothing more.
 */
import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import { LIMITS } from '@rma/protocol/limits';
import { SUBPROTOCOL_MSGPACK } from '@rma/protocol/version';
import { type RawData, WebSocket } from 'ws';

const HANDSHAKE_MS = 10_000;
/** How long an abandoned connection may take to say goodbye. */
const ABANDON_MS = 1_000;

export interface ConnectionEvents {
  opened(): void;
  /** A text frame as a string, a binary one as bytes. */
  frame(data: Uint8Array | string): void;
  /** `detail` says in words what the socket knows of the reason. */
  closed(code: number, detail: string): void;
}

export interface Connection {
  /** Bytes that wait in this process. */
  readonly bufferedBytes: number;
  /** `written` is called once the frame has left the process, or never will. */
  send(frame: Uint8Array | string, written?: () => void): void;
  /** Whatever `work` sends leaves in one write. */
  cork(work: () => void): void;
  /** Closes; `closed` follows. */
  close(code: number, reason: string): void;
  /** Closes without telling any more, and without waiting for a peer that may be dead. */
  abandon(code: number, reason: string): void;
}

/** Opens a connection to a `ws:` or `wss:` URL. */
export function dial(url: string, events: ConnectionEvents): Connection {
  const socket = new WebSocket(url, SUBPROTOCOL_MSGPACK, {
    handshakeTimeout: HANDSHAKE_MS,
    maxPayload: LIMITS.maxFrameBytes,
    perMessageDeflate: false,
    followRedirects: false,
  });
  let stream: Socket | undefined;
  let told = false;
  let detail = '';
  const close = (code: number, reason: string): void => {
    if (told) return;
    told = true;
    events.closed(code, reason);
  };

  socket.once('upgrade', (response: IncomingMessage) => {
    stream = response.socket;
    stream.setNoDelay(true);
  });
  socket.on('unexpected-response', (request, response) => {
    detail = explainStatus(response.statusCode ?? 0, url);
    response.resume();
    request.destroy();
    close(1006, detail);
  });
  socket.once('open', () => {
    if (!told) events.opened();
  });
  socket.on('message', (data: RawData, isBinary: boolean) => {
    if (!told) events.frame(isBinary ? (data as Buffer) : String(data));
  });
  socket.on('error', (error: Error) => {
    detail = explain(error);
  });
  socket.once('close', (code: number, reason: Buffer) => close(code, detail === '' ? String(reason) : detail));

  return {
    get bufferedBytes() {
      return socket.bufferedAmount;
    },
    send(frame, written) {
      if (socket.readyState !== WebSocket.OPEN) written?.();
      else if (written) socket.send(frame, () => written());
      else socket.send(frame);
    },
    cork(work) {
      stream?.cork();
      try {
        work();
      } finally {
        stream?.uncork();
      }
    },
    close(code, reason) {
      socket.close(code, reason);
    },
    abandon(code, reason) {
      told = true;
      socket.close(code, reason);
      setTimeout(() => socket.terminate(), ABANDON_MS).unref();
    },
  };
}

function explain(error: Error): string {
  const code = 'code' in error ? String(error.code) : '';
  const known: Record<string, string> = {
    ECONNREFUSED: 'nothing listens there; is the coordinator running, and is the port right?',
    ENOTFOUND: 'this host name is not known; check --url',
    EAI_AGAIN: 'the name server does not answer; check the network',
    EHOSTUNREACH: 'the host cannot be reached; check the network',
    ENETUNREACH: 'there is no network',
    ETIMEDOUT: 'no answer in time; a firewall may be in between',
    ECONNRESET: 'the connection was reset',
    DEPTH_ZERO_SELF_SIGNED_CERT: 'its certificate is self-signed; name it in NODE_EXTRA_CA_CERTS',
    SELF_SIGNED_CERT_IN_CHAIN: 'its certificate is self-signed; name it in NODE_EXTRA_CA_CERTS',
    CERT_HAS_EXPIRED: 'its certificate has expired',
  };
  // A name with several addresses fails with one error for all of them, which has no message of its own.
  const first = error instanceof AggregateError ? error.errors[0] : undefined;
  const message = error.message !== '' ? error.message : first instanceof Error ? first.message : code;
  const hint = known[code];
  return hint === undefined ? message : `${message}: ${hint}`;
}

function explainStatus(status: number, url: string): string {
  const { host } = new URL(url);
  if (status === 401 || status === 403) return `${host} refused the connection (HTTP ${status})`;
  if (status === 404) return `${host} knows no /ws (HTTP 404): is it a coordinator? Check --url`;
  if (status === 429 || status === 503) return `${host} has no room now (HTTP ${status})`;
  if (status >= 300 && status < 400)
    return `${host} redirects elsewhere (HTTP ${status}): give --url the final address`;
  return `${host} answered HTTP ${status} instead of opening a WebSocket`;
}
