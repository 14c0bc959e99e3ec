/**
 * Boots an adapter on a real port with handlers that record their calls, and asserts afterwards that every
 * socket that opened was also reported as closed.
 */
import { once } from 'node:events';
import { connect, type Socket as NetSocket } from 'node:net';
import type {
  HttpRequest,
  HttpResponse,
  RequestHead,
  Socket,
  Transport,
  TransportFactory,
  TransportHandlers,
  TransportOptions,
} from '@rma/server/socket/transport';
import { loadUws } from '@rma/server/socket/uws';
import { createWsTransport } from '@rma/server/socket/ws';
import { afterEach, describe, expect } from 'vitest';
import WebSocket, { type ClientOptions } from 'ws';

const uws = loadUws();

/** Runs the suite on both adapters; where uWebSockets.js does not load, the skipped suite's name says why. */
export function describeTransports(
  title: string,
  suite: (factory: TransportFactory, name: 'uws' | 'ws') => void,
): void {
  describe(`${title}, ws`, () => suite(createWsTransport, 'ws'));
  if (uws.ok) describe(`${title}, uws`, () => suite(uws.factory, 'uws'));
  else describe.skip(`${title}, uws (skipped: ${uws.reason})`, () => suite(createWsTransport, 'uws'));
}

export type SocketEvent =
  | { is: 'open'; socket: Socket }
  | { is: 'message'; socket: Socket; data: string | Uint8Array }
  | { is: 'drain'; socket: Socket }
  | { is: 'close'; socket: Socket; code: number; reason: string };

export interface Booted {
  readonly transport: Transport;
  readonly port: number;
  readonly events: SocketEvent[];
  readonly errors: unknown[];
  readonly heads: RequestHead[];
  of<Is extends SocketEvent['is']>(is: Is): Extract<SocketEvent, { is: Is }>[];
  /** The socket that opened as the nth. */
  socket(n?: number): Promise<Socket>;
  dial(options?: ClientOptions & { protocols?: string[]; path?: string }): Promise<WebSocket>;
  raw(): Promise<NetSocket>;
}

const booted: Booted[] = [];
const clients: (WebSocket | NetSocket)[] = [];

const LIMITS: TransportOptions = {
  maxFrameBytes: 64 * 1024,
  maxBufferedBytes: 256 * 1024,
  maxBodyBytes: 32 * 1024,
  trustProxy: false,
};

export async function boot(
  factory: TransportFactory,
  handlers: Partial<TransportHandlers> = {},
  limits: Partial<TransportOptions> = {},
): Promise<Booted> {
  const events: SocketEvent[] = [];
  const errors: unknown[] = [];
  const heads: RequestHead[] = [];
  const transport = factory(
    { ...LIMITS, ...limits },
    {
      upgrade: (head, protocols) => {
        heads.push(head);
        return handlers.upgrade?.(head, protocols) ?? { accept: true, protocol: protocols[0] ?? '' };
      },
      open: (socket) => {
        events.push({ is: 'open', socket });
        return handlers.open?.(socket);
      },
      message: (socket, data) => {
        events.push({ is: 'message', socket, data });
        return handlers.message?.(socket, data);
      },
      drain: (socket) => {
        events.push({ is: 'drain', socket });
        return handlers.drain?.(socket);
      },
      close: (socket, code, reason) => {
        events.push({ is: 'close', socket, code, reason });
        return handlers.close?.(socket, code, reason);
      },
      request: (request: HttpRequest): HttpResponse | Promise<HttpResponse> => {
        heads.push(request);
        return handlers.request?.(request) ?? { status: 404, body: 'nothing here\n' };
      },
      error: (error) => errors.push(error),
    },
  );
  const { port } = await transport.listen('127.0.0.1', 0);
  const of = <Is extends SocketEvent['is']>(is: Is) =>
    events.filter((event): event is Extract<SocketEvent, { is: Is }> => event.is === is);
  const it: Booted = {
    transport,
    port,
    events,
    errors,
    heads,
    of,
    socket: async (n = 0) => {
      await eventually(() => of('open').length).toBeGreaterThan(n);
      return of('open')[n]!.socket;
    },
    dial: async ({ protocols = [], path = '/ws', ...options } = {}) => {
      const client = new WebSocket(`ws://127.0.0.1:${port}${path}`, protocols, {
        perMessageDeflate: false,
        ...options,
      });
      clients.push(client);
      client.on('error', () => client.terminate());
      await once(client, 'open');
      return client;
    },
    raw: () => dialRaw(port),
  };
  booted.push(it);
  return it;
}

export async function dialRaw(port: number): Promise<NetSocket> {
  const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
  clients.push(socket);
  socket.on('error', () => socket.destroy());
  await once(socket, 'connect');
  return socket;
}

/** Polls until the assertion holds. */
export function eventually<T>(get: () => T) {
  return expect.poll(get, { timeout: 15_000, interval: 5 });
}

/** All that the peer sends until it hangs up, or until `enough` says so. */
export async function readAll(socket: NetSocket, enough: (text: string) => boolean = () => false): Promise<string> {
  let text = '';
  socket.on('data', (chunk) => {
    text += chunk.toString('latin1');
  });
  await eventually(() => socket.readableEnded || socket.destroyed || enough(text)).toBe(true);
  return text;
}

/** How a `ws` client's connection ended. */
export async function closing(client: WebSocket): Promise<{ code: number; reason: string }> {
  if (client.readyState === client.CLOSED) throw new Error('listen for the close before it happens');
  const [code, reason] = (await once(client, 'close')) as [number, Buffer];
  return { code, reason: reason.toString() };
}

/** A client's frame, masked with zeros, as raw bytes. */
export function frame(firstByte: number, payload: Uint8Array): Buffer {
  const length =
    payload.length < 126 ? [0x80 | payload.length] : [0x80 | 126, payload.length >> 8, payload.length & 255];
  return Buffer.concat([Buffer.from([firstByte, ...length, 0, 0, 0, 0]), payload]);
}

export const HANDSHAKE =
  'GET /ws HTTP/1.1\r\nHost: pool\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n' +
  'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n';

/** Leaves nothing open, and asserts that the handlers heard of each end once. */
export function cleanUpTransports(): void {
  afterEach(async () => {
    for (const client of clients.splice(0)) {
      if (client instanceof WebSocket) client.terminate();
      else client.destroy();
    }
    for (const one of booted.splice(0)) {
      await one.transport.close();
      const ids = one.of('close').map((event) => event.socket.id);
      expect(ids.toSorted()).toEqual(
        one
          .of('open')
          .map((event) => event.socket.id)
          .toSorted(),
      );
    }
  });
}
