/**
 * The other end of a peer's socket, on either transport of the coordinator: says what a script says, in the negotiated
 * subprotocol, and keeps what comes. What a peer sends is checked against the schemas. Nothing is stored.
 */
import { createServer, connect as dialTcp, type Server, type Socket as TcpSocket } from 'node:net';
import { checkUp } from '@rma/protocol/check';
import { decodeUp, encodeDown } from '@rma/protocol/codec';
import type { Down } from '@rma/protocol/down';
import { LIMITS } from '@rma/protocol/limits';
import { decodeStreamData, encodeStreamData, isStreamData } from '@rma/protocol/stream';
import type { Up, UpOf, UpType } from '@rma/protocol/up';
import { SUBPROTOCOLS, type Subprotocol } from '@rma/protocol/version';
import type { Socket, Transport, TransportFactory } from '@rma/server/socket/transport';
import { Inbox } from '../../client/support/pool-peer.js';

export class ScriptedSession {
  readonly messages = new Inbox<Up>();
  readonly data = new Inbox<{ stream: number; bytes: Uint8Array }>();
  readonly closed: Promise<number>;
  readonly #socket: Socket;
  #resolveClosed: (code: number) => void = () => undefined;

  constructor(socket: Socket) {
    this.#socket = socket;
    this.closed = new Promise((resolve) => {
      this.#resolveClosed = resolve;
    });
  }

  /** The next message of this type; others are left for later. */
  next<T extends UpType>(type: T): Promise<UpOf<T>> {
    return this.messages.next((message) => message.type === type) as Promise<UpOf<T>>;
  }

  /** All in one write. */
  send(...messages: Down[]): void {
    this.#socket.cork(() => {
      for (const message of messages) this.#socket.send(encodeDown(message, this.#socket.protocol as Subprotocol));
    });
  }

  sendRaw(frame: string | Uint8Array): void {
    this.#socket.send(frame);
  }

  sendData(stream: number, bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length; at += LIMITS.streamFrameBytes)
      this.#socket.send(encodeStreamData(stream, bytes.subarray(at, at + LIMITS.streamFrameBytes)));
  }

  close(code: number): void {
    this.#socket.close(code, '');
  }

  /** As a coordinator dies. */
  kill(): void {
    this.#socket.terminate();
  }

  received(frame: string | Uint8Array): void {
    if (typeof frame !== 'string' && isStreamData(frame)) this.data.add(decodeStreamData(frame));
    else this.messages.add(checkUp(decodeUp(frame)));
  }

  ended(code: number): void {
    this.#resolveClosed(code);
  }
}

export class ScriptedCoordinator {
  readonly errors: unknown[] = [];
  connections = 0;
  readonly #sessions = new Inbox<ScriptedSession>();
  readonly #bySocket = new Map<number, ScriptedSession>();
  readonly #transport: Transport;
  readonly #tap: Server;
  readonly #tcp = new Set<TcpSocket>();
  /** What arrived since it was cleared: one entry for each read from TCP. */
  reads: number[] = [];

  private constructor(factory: TransportFactory) {
    const limits = { maxFrameBytes: LIMITS.maxFrameBytes, maxBufferedBytes: 64 * 1_048_576, maxBodyBytes: 1_024 };
    this.#transport = factory(
      { ...limits, trustProxy: false },
      {
        upgrade: (_, offered) => ({
          accept: true,
          protocol: offered.find((name) => (SUBPROTOCOLS as readonly string[]).includes(name)) ?? '',
        }),
        open: (socket) => {
          const session = new ScriptedSession(socket);
          this.connections += 1;
          this.#bySocket.set(socket.id, session);
          this.#sessions.add(session);
        },
        message: (socket, frame) => this.#bySocket.get(socket.id)?.received(frame),
        drain: () => undefined,
        close: (socket, code) => {
          this.#bySocket.get(socket.id)?.ended(code);
          this.#bySocket.delete(socket.id);
        },
        request: () => ({ status: 404, body: '' }),
        error: (error) => this.errors.push(error),
      },
    );
    this.#tap = createServer((near) => this.#relay(near));
  }

  static async start(factory: TransportFactory): Promise<ScriptedCoordinator> {
    const coordinator = new ScriptedCoordinator(factory);
    const { port } = await coordinator.#transport.listen('127.0.0.1', 0);
    coordinator.#port = port;
    await new Promise<void>((resolve) => coordinator.#tap.listen(0, '127.0.0.1', resolve));
    return coordinator;
  }

  #port = 0;

  get url(): string {
    const address = this.#tap.address();
    return `http://127.0.0.1:${typeof address === 'object' ? address?.port : ''}`;
  }

  /** The next connection, before its hello. */
  connection(): Promise<ScriptedSession> {
    return this.#sessions.next();
  }

  /** Sockets that are open. */
  get open(): number {
    return this.#bySocket.size;
  }

  async stop(): Promise<void> {
    for (const socket of this.#tcp) socket.destroy();
    await new Promise((resolve) => this.#tap.close(resolve));
    await this.#transport.close();
  }

  /** Between peer and transport, to see what the peer wrote at once. */
  #relay(near: TcpSocket): void {
    const far = dialTcp(this.#port, '127.0.0.1');
    far.setNoDelay(true);
    near.setNoDelay(true);
    near.on('data', (bytes) => this.reads.push(bytes.length));
    near.pipe(far).pipe(near);
    for (const [socket, other] of [
      [near, far],
      [far, near],
    ] as const) {
      this.#tcp.add(socket);
      socket.on('error', () => other.destroy());
      socket.on('close', () => {
        this.#tcp.delete(socket);
        other.destroy();
      });
    }
  }
}
