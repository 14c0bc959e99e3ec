/**
 * The other end of a client's socket in unit tests: speaks frames of the protocol and does only what the test says.
 * Not a coordinator: nothing is stored.
 */
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { checkUp } from '@rma/protocol/check';
import { decodeUp, encodeDown } from '@rma/protocol/codec';
import type { Down } from '@rma/protocol/down';
import { packPayload } from '@rma/protocol/payload';
import { decodeStreamData, encodeStreamData, isStreamData } from '@rma/protocol/stream';
import type { TaskEnd } from '@rma/protocol/task';
import type { Up, UpOf, UpType } from '@rma/protocol/up';
import { type Feature, SUBPROTOCOLS, type Subprotocol } from '@rma/protocol/version';
import { type WebSocket, WebSocketServer } from 'ws';

export const WORKER = 'w-test1';

/** A queue of what came, for tests that wait for it. */
export class Inbox<T> {
  readonly #items: T[] = [];
  readonly #waiting: { matches(item: T): boolean; resolve(item: T): void }[] = [];

  add(item: T): void {
    const i = this.#waiting.findIndex(({ matches }) => matches(item));
    if (i < 0) this.#items.push(item);
    else this.#waiting.splice(i, 1)[0]?.resolve(item);
  }

  next(matches: (item: T) => boolean = () => true): Promise<T> {
    const i = this.#items.findIndex(matches);
    if (i >= 0) return Promise.resolve(this.#items.splice(i, 1)[0] as T);
    return new Promise((resolve) => this.#waiting.push({ matches, resolve }));
  }

  get size(): number {
    return this.#items.length;
  }
}

export class PeerSession {
  readonly messages = new Inbox<Up>();
  readonly data = new Inbox<{ stream: number; bytes: Uint8Array }>();
  readonly closed: Promise<number>;
  /** Frames since the connection began, `hello` included. */
  frames = 0;
  readonly #socket: WebSocket;

  constructor(socket: WebSocket) {
    this.#socket = socket;
    this.closed = new Promise((resolve) => socket.on('close', resolve));
    socket.on('message', (raw: Buffer, isBinary) => {
      this.frames += 1;
      const frame = isBinary ? raw : raw.toString();
      if (typeof frame !== 'string' && isStreamData(frame)) this.data.add(decodeStreamData(frame));
      else this.messages.add(checkUp(decodeUp(frame)));
    });
  }

  /** The next message of this type; others are left for later. */
  next<T extends UpType>(type: T): Promise<UpOf<T>> {
    return this.messages.next((message) => message.type === type) as Promise<UpOf<T>>;
  }

  send(...messages: Down[]): void {
    for (const message of messages) this.#socket.send(encodeDown(message, this.#socket.protocol as Subprotocol));
  }

  sendText(text: string): void {
    this.#socket.send(text);
  }

  sendData(stream: number, bytes: Uint8Array): void {
    this.#socket.send(encodeStreamData(stream, bytes));
  }

  welcome(role: 'admin' | 'client' | 'worker' = 'client', features: readonly Feature[] = []): void {
    this.send({
      type: 'welcome',
      protocol: 1,
      session: 's-1',
      role,
      subject: 'tester',
      server: { name: 'peer', version: '0' },
      features: [...features],
      heartbeatMs: 3_000,
      silenceMs: 8_000,
    });
  }

  /** Takes nothing from the socket until `resume`, as a slow uplink does. */
  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  close(code: number, reason = ''): void {
    this.#socket.close(code, reason);
  }

  /** As a coordinator dies: without a word. */
  kill(): void {
    this.#socket.terminate();
  }
}

export class PoolPeer {
  readonly #server: WebSocketServer;
  readonly #sessions = new Inbox<PeerSession>();
  connections = 0;

  private constructor(server: WebSocketServer) {
    this.#server = server;
    server.on('connection', (socket) => {
      this.connections += 1;
      this.#sessions.add(new PeerSession(socket));
    });
  }

  static async start(port = 0): Promise<PoolPeer> {
    const server = new WebSocketServer({
      host: '127.0.0.1',
      port,
      path: '/ws',
      handleProtocols: (offered) => SUBPROTOCOLS.find((name) => offered.has(name)) ?? false,
    });
    await new Promise((resolve, reject) => {
      server.once('listening', resolve);
      server.once('error', reject);
    });
    return new PoolPeer(server);
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  /** The next connection, before its hello. */
  connection(): Promise<PeerSession> {
    return this.#sessions.next();
  }

  /** The next connection, greeted. */
  async session(role: 'admin' | 'client' = 'client', features: readonly Feature[] = []): Promise<PeerSession> {
    const session = await this.connection();
    await session.next('hello');
    session.welcome(role, features);
    return session;
  }

  /** Resolves once no client is connected. */
  async empty(): Promise<void> {
    const open = [...this.#server.clients].filter((socket) => socket.readyState !== socket.CLOSED);
    await Promise.all(open.map((socket) => once(socket, 'close')));
  }

  async stop(): Promise<void> {
    for (const socket of this.#server.clients) socket.terminate();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

export function succeeded(task: string, output: unknown, more: Partial<TaskEnd> = {}): TaskEnd {
  const times = { submittedAt: 1_000, startedAt: 1_200, endedAt: 1_500 };
  return { task, state: 'succeeded', output: packPayload(output), attempts: 1, worker: WORKER, ...times, ...more };
}
