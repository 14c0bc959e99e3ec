/**
 * The transport on uWebSockets.js, and the only file that imports it. The binary is loaded on demand, because it exists
 * for some platforms only: `loadUws` returns the reason where it does not load.
 */

import type * as Uws from 'uWebSockets.js';
import { STATUS_CODES } from 'node:http';
import { createRequire } from 'node:module';
import { createServer } from 'node:net';
import { errorMessage } from '@rma/protocol/error';
import { OVERSIZE_FACTOR } from './close-code.js';
import { containHandlers } from './contained-handlers.js';
import { type HeaderLines, HttpExchange, type ResponseSink } from './http-exchange.js';
import * as requestHead from './request-head.js';
import type { RequestHead, Transport, TransportFactory, TransportHandlers, TransportOptions } from './transport.js';
import { UwsSocket } from './uws-socket.js';

// Loading

/** Members that the package's types lack. */
type UwsModule = typeof Uws & {
  readonly LIBUS_LISTEN_EXCLUSIVE_PORT: number;
  readonly _cfg?: (setting: string) => void;
};
type UwsApp = Uws.TemplatedApp & {
  listen(host: string, port: number, options: number, done: (token: Uws.us_listen_socket | false) => void): UwsApp;
};
interface SocketData {
  readonly socket: UwsSocket;
}

/** The factory, or the reason, in one line, why uWebSockets.js does not load. */
export function loadUws(): { ok: true; factory: TransportFactory } | { ok: false; reason: string } {
  // Read by the binary when it loads; its default of 4 KiB is too little for a browser's cookies on localhost.
  process.env.UWS_HTTP_MAX_HEADERS_SIZE ??= String(requestHead.MAX_HEAD_BYTES);
  try {
    const uws: UwsModule = createRequire(import.meta.url)('uWebSockets.js');
    uws._cfg?.('silent'); // omits the header with the server's name and version
    return { ok: true, factory: (options, handlers) => new UwsTransport(uws, options, containHandlers(handlers)) };
  } catch (error) {
    const text = errorMessage(error);
    const libc = /version [`']?(GLIBC\w*_[\d.]+)/.exec(text)?.[1];
    const why = libc === undefined ? 'it has no binary for this platform' : `its binary needs ${libc} or later`;
    const platform = `Node ${process.versions.node} on ${process.platform} ${process.arch}`;
    return { ok: false, reason: `uWebSockets.js does not load with ${platform}: ${why}` };
  }
}

// Listening

class UwsTransport implements Transport {
  readonly name = 'uws';
  readonly #app: UwsApp;
  #listener: Uws.us_listen_socket | undefined;
  #closed = false;

  constructor(
    private readonly uws: UwsModule,
    private readonly options: TransportOptions,
    private readonly handlers: TransportHandlers,
  ) {
    this.#app = uws.App() as UwsApp;
    this.#app.ws<SocketData>(requestHead.UPGRADE_PATH, this.#behavior());
    this.#app.any('/*', (res, req) => this.#serve(res, this.#head(res, req)));
  }

  listen(host: string, port: number): Promise<{ port: number }> {
    return new Promise((resolve, reject) => {
      // Without the exclusive flag a second process would share the port, silently.
      this.#app.listen(host, port, this.uws.LIBUS_LISTEN_EXCLUSIVE_PORT, (token) => {
        if (token === false) {
          listenError(host, port).then(reject, reject);
          return;
        }
        this.#listener = token;
        resolve({ port: this.uws.us_socket_local_port(token) });
      });
    });
  }

  stopListening(): void {
    if (this.#listener === undefined) return;
    this.uws.us_listen_socket_close(this.#listener);
    this.#listener = undefined;
  }

  // Upgrades

  #upgrade(res: Uws.HttpResponse, req: Uws.HttpRequest, context: Uws.us_socket_context_t): void {
    const head = this.#head(res, req);
    if (!requestHead.wantsWebSocket(head)) {
      this.#serve(res, head);
      return;
    }
    const problem = requestHead.handshakeProblem(head);
    const verdict = problem ?? this.handlers.upgrade(head, requestHead.offeredProtocols(head));
    if (!('accept' in verdict) || !verdict.accept) {
      refuseUpgrade(res, verdict);
      return;
    }
    const socket = new UwsSocket(
      verdict.protocol,
      head.remoteAddress,
      head.headers.get('cookie') ?? '',
      this.options,
      this.handlers,
    );
    const key = head.headers.get('sec-websocket-key') ?? '';
    res.upgrade<SocketData>({ socket }, key, verdict.protocol, '', context);
  }

  // Sockets

  #behavior(): Uws.WebSocketBehavior<SocketData> {
    return {
      compression: this.uws.DISABLED,
      maxPayloadLength: Math.min(this.options.maxFrameBytes * OVERSIZE_FACTOR, 2 ** 31 - 1),
      maxBackpressure: this.options.maxBufferedBytes,
      // Liveness is checked by the sessions. A socket closed by this side is still reaped within seconds.
      idleTimeout: 0,
      sendPingsAutomatically: false,
      upgrade: (res, req, context) => this.#upgrade(res, req, context),
      open: (native) => native.getUserData().socket.opened(native),
      message: (native, data, isBinary) => native.getUserData().socket.received(data, isBinary),
      dropped: (native) => native.getUserData().socket.overflowed(),
      drain: (native) => native.getUserData().socket.drained(),
      close: (native, code, reason) => native.getUserData().socket.gone(code, Buffer.from(reason).toString()),
    };
  }

  publish(channel: string, data: string | Uint8Array): void {
    if (!this.#closed) this.#app.publish(channel, data, typeof data !== 'string', false);
  }

  // HTTP

  #serve(res: Uws.HttpResponse, head: RequestHead): void {
    if (requestHead.wantsWebSocket(head)) {
      const problem = requestHead.handshakeProblem(head);
      if (problem !== undefined) {
        refuseUpgrade(res, problem);
        return;
      }
    }
    const exchange = new HttpExchange(
      head,
      this.options.maxBodyBytes,
      this.handlers,
      responseSink(res, writable),
      resume,
    );
    let isPaused = false;
    function resume(): void {
      if (isPaused) res.resume();
      isPaused = false;
    }
    function writable(): void {
      exchange.writable();
    }
    res.onAborted(() => exchange.abort());
    if (requestHead.announcesBody(head.headers)) {
      // The data must be asked for now or it is lost. It is dropped once the request is answered, and until the handler
      // asks for it no more is read than one read of the socket.
      res.onData((chunk, isLast) => {
        if (exchange.collecting) exchange.receive(new Uint8Array(chunk.slice(0)));
        if (isLast) exchange.receivedAll();
        else if (exchange.isUnasked && !isPaused) {
          isPaused = true;
          res.pause();
        }
      });
    } else {
      exchange.receivedAll();
    }
    void exchange.run();
  }

  #head(res: Uws.HttpResponse, req: Uws.HttpRequest): RequestHead {
    const headers = new Map<string, string>();
    req.forEach((name, value) => {
      requestHead.addHeader(headers, name, value);
    });
    const peer = Buffer.from(res.getRemoteAddressAsText()).toString();
    return {
      method: req.getCaseSensitiveMethod(),
      path: req.getUrl(),
      query: req.getQuery() ?? '',
      headers,
      remoteAddress: requestHead.clientAddress(peer, headers, this.options.trustProxy, this.options.proxyHeader),
    };
  }

  // Closing

  async close(): Promise<void> {
    this.stopListening();
    if (!this.#closed) {
      this.#closed = true;
      this.#app.close(); // runs the close and abort handlers
    }
    await new Promise((resolve) => setImmediate(resolve)); // those of sockets that had closed just before, too
  }
}

function responseSink(res: Uws.HttpResponse, writable: () => void): ResponseSink {
  const head = (status: number, headers: HeaderLines): void => {
    res.writeStatus(`${status} ${STATUS_CODES[status] ?? 'Unknown'}`);
    for (const [name, value] of headers) res.writeHeader(name, value);
  };
  const corked = (write: () => boolean): boolean => {
    let ok = true;
    res.cork(() => {
      ok = write();
    });
    return ok;
  };
  return {
    respond: (status, headers, body, length) => {
      res.cork(() => {
        head(status, headers);
        if (body !== undefined) res.end(body);
        else if (length === undefined) res.endWithoutBody();
        else res.endWithoutBody(length);
      });
    },
    begin: (status, headers, data) => {
      res.onWritable(() => {
        writable();
        return true;
      });
      return corked(() => {
        head(status, headers);
        return res.write(data);
      });
    },
    write: (data) => corked(() => res.write(data)),
    end: () => {
      res.cork(() => {
        res.end();
      });
    },
    destroy: () => {
      res.close();
    },
  };
}

function refuseUpgrade(res: Uws.HttpResponse, refusal: { status: number; message: string }): void {
  res.writeStatus(`${refusal.status} ${STATUS_CODES[refusal.status] ?? 'Unknown'}`);
  for (const [name, value] of Object.entries(requestHead.HANDSHAKE_REFUSAL_HEADERS)) res.writeHeader(name, value);
  res.end(refusal.message, true);
}

/** uWebSockets.js gives no reason when it cannot listen: the error is Node's, from listening on the same address. */
function listenError(host: string, port: number): Promise<Error> {
  return new Promise((resolve) => {
    const probe = createServer();
    probe.once('error', resolve);
    probe.listen({ host, port, exclusive: true }, () => {
      const message = `uWebSockets.js cannot listen on ${host}:${port}, although the port is free by now: try again`;
      probe.close(() => resolve(Object.assign(new Error(message), { code: 'EADDRINUSE' })));
    });
  });
}
