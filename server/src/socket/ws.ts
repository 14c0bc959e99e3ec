/**
 * The transport on ws and node:http, and the server's only file that imports ws: pure JavaScript, the fallback where
 * uWebSockets.js does not load. Same sections as uws.ts, in the same order.
 */
import { createServer, type IncomingMessage, type Server, ServerResponse, STATUS_CODES } from 'node:http';
import type { AddressInfo, Socket as NetSocket } from 'node:net';
import { type ServerOptions, WebSocketServer } from 'ws';
import { OVERSIZE_FACTOR } from './close-code.js';
import { containHandlers } from './contained-handlers.js';
import { type HeaderLines, HttpExchange, type ResponseSink } from './http-exchange.js';
import * as requestHead from './request-head.js';
import type { RequestHead, Transport, TransportFactory, TransportHandlers, TransportOptions } from './transport.js';
import { Channels, WsSocket } from './ws-socket.js';

// Loading

/** Makes the transport on ws and node:http. */
export const createWsTransport: TransportFactory = (options, handlers) =>
  new WsTransport(options, containHandlers(handlers));

/** uWebSockets.js's own limit for a slow HTTP peer, so that both adapters treat it alike. */
const HTTP_IDLE_MS = 10_000;
/** The same while bytes wait for the peer: a net.Socket's timeout then strikes at the second time. */
const HTTP_STALL_MS = HTTP_IDLE_MS / 2;
/** How long a socket that was closed here may linger; uWebSockets.js takes about as long. */
const CLOSE_LINGER_MS = 5_000;

// Listening

class WsTransport implements Transport {
  readonly name = 'ws';
  readonly #server: Server;
  readonly #webSockets: WebSocketServer;
  readonly #channels = new Channels();
  readonly #open = new Set<WsSocket>();
  readonly #detached = new Set<NetSocket>();
  readonly #protocols = new WeakMap<IncomingMessage, string>();

  constructor(
    private readonly options: TransportOptions,
    private readonly handlers: TransportHandlers,
  ) {
    this.#server = createServer({
      maxHeaderSize: requestHead.MAX_HEAD_BYTES,
      headersTimeout: HTTP_IDLE_MS,
      keepAliveTimeout: HTTP_IDLE_MS,
      noDelay: true,
    });
    this.#server.on('request', (req, res) => this.#serve(res, this.#head(req), req));
    this.#server.on('upgrade', (req, _socket, head) => this.#upgrade(req, head));
    this.#webSockets = new WebSocketServer(this.#behavior());
  }

  listen(host: string, port: number): Promise<{ port: number }> {
    return new Promise((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen({ host, port, exclusive: true }, () => {
        this.#server.off('error', reject);
        this.#server.on('error', (error) => this.handlers.error(error)); // a failed accept
        resolve({ port: (this.#server.address() as AddressInfo).port });
      });
    });
  }

  stopListening(): void {
    if (this.#server.listening) this.#server.close();
  }

  // Upgrades

  #upgrade(req: IncomingMessage, rest: Buffer): void {
    const head = this.#head(req);
    if (!requestHead.wantsWebSocket(head)) {
      this.#serveUpgrade(req, head);
      return;
    }
    const problem = requestHead.handshakeProblem(head);
    const verdict = problem ?? this.handlers.upgrade(head, requestHead.offeredProtocols(head));
    if (!('accept' in verdict) || !verdict.accept) {
      refuseUpgrade(this.#detach(req), verdict);
      return;
    }
    this.#protocols.set(req, verdict.protocol);
    this.#webSockets.handleUpgrade(req, req.socket, rest, (native) => {
      const socket = new WsSocket(
        native,
        req.socket,
        verdict.protocol,
        head.remoteAddress,
        head.headers.get('cookie') ?? '',
        this.options,
        this.handlers,
        this.#channels,
      );
      this.#open.add(socket);
      native.on('close', () => this.#open.delete(socket));
      this.handlers.open(socket);
    });
  }

  // Sockets

  #behavior(): ServerOptions {
    const behavior: ServerOptions & { closeTimeout: number } = {
      noServer: true,
      clientTracking: false,
      perMessageDeflate: false,
      maxPayload: this.options.maxFrameBytes * OVERSIZE_FACTOR,
      closeTimeout: CLOSE_LINGER_MS,
      handleProtocols: (_offered, req) => this.#protocols.get(req) || false,
    };
    return behavior;
  }

  publish(channel: string, data: string | Uint8Array): void {
    const binary = typeof data !== 'string';
    const payload = binary ? data : Buffer.from(data); // encoded once, shared by all receivers
    for (const socket of this.#channels.socketsOf(channel)) socket.transmit(payload, binary);
  }

  // HTTP

  #serve(res: ServerResponse, head: RequestHead, req: IncomingMessage): void {
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
      () => {
        req.on('data', (chunk: Buffer) => exchange.receive(chunk));
        req.on('end', () => exchange.receivedAll());
      },
    );
    function writable(): void {
      exchange.writable();
    }
    res.on('close', () => exchange.abort());
    res.on('error', () => exchange.abort());
    req.on('error', () => exchange.abort());
    if (!requestHead.announcesBody(head.headers)) exchange.receivedAll();
    void exchange.run();
  }

  /** An upgrade to something else than a WebSocket may be ignored (RFC 9110 section 7.8): node:http leaves that to us. */
  #serveUpgrade(req: IncomingMessage, head: RequestHead): void {
    const res = this.#detach(req);
    const message = 'a request with a body cannot ask for an upgrade here\n';
    if (requestHead.announcesBody(head.headers)) refuseUpgrade(res, { status: 400, message });
    else this.#serve(res, head, req);
  }

  /** A response for a request that node:http has handed over as an upgrade; the connection ends with it. */
  #detach(req: IncomingMessage): ServerResponse {
    const res = new ServerResponse(req);
    const { socket } = req;
    this.#detached.add(socket);
    socket.on('error', () => res.destroy());
    socket.on('close', () => this.#detached.delete(socket));
    res.shouldKeepAlive = false;
    res.assignSocket(socket);
    res.on('finish', () => socket.destroySoon());
    return res;
  }

  #head(req: IncomingMessage): RequestHead {
    const headers = new Map<string, string>();
    const lines = req.rawHeaders;
    for (let i = 0; i + 1 < lines.length; i += 2) requestHead.addHeader(headers, lines[i] ?? '', lines[i + 1] ?? '');
    const url = req.url ?? '/';
    const mark = url.indexOf('?');
    return {
      method: req.method ?? 'GET',
      path: mark < 0 ? url : url.slice(0, mark),
      query: mark < 0 ? '' : url.slice(mark + 1),
      headers,
      remoteAddress: requestHead.clientAddress(
        req.socket.remoteAddress ?? '',
        headers,
        this.options.trustProxy,
        this.options.proxyHeader,
      ),
    };
  }

  // Closing

  async close(): Promise<void> {
    const ended = new Promise<void>((resolve) => this.#server.close(() => resolve())); // also where it never listened
    for (const socket of [...this.#open]) socket.cut();
    for (const connection of this.#detached) connection.destroy();
    this.#server.closeAllConnections();
    await ended;
    await new Promise((resolve) => setImmediate(resolve)); // the last close handlers
  }
}

function responseSink(res: ServerResponse, writable: () => void): ResponseSink {
  const head = (status: number, headers: HeaderLines, length: number | undefined): void => {
    const framing = length === undefined ? [] : ['Content-Length', String(length)];
    res.writeHead(status, [...headers.flat(), ...framing]);
  };
  // Idle time only: a peer that reads slowly is waited for, one that reads nothing is not.
  const watchStall = (): void => {
    res.setTimeout(HTTP_STALL_MS);
  };
  res.on('timeout', () => res.destroy());
  return {
    respond: (status, headers, body, length) => {
      head(status, headers, length);
      watchStall();
      res.end(body);
    },
    begin: (status, headers, data) => {
      head(status, headers, undefined);
      res.on('drain', () => {
        res.setTimeout(0);
        writable();
      });
      const ok = res.write(data);
      if (!ok) watchStall();
      return ok;
    },
    write: (data) => {
      const ok = res.write(data);
      if (!ok) watchStall();
      return ok;
    },
    end: () => {
      watchStall();
      res.end();
    },
    destroy: () => {
      res.destroy();
    },
  };
}

function refuseUpgrade(res: ServerResponse, refusal: { status: number; message: string }): void {
  res.shouldKeepAlive = false;
  res.writeHead(refusal.status, STATUS_CODES[refusal.status] ?? 'Unknown', {
    ...requestHead.HANDSHAKE_REFUSAL_HEADERS,
    'content-length': Buffer.byteLength(refusal.message),
  });
  res.end(refusal.message);
}
