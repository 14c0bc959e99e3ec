/**
 * A small coordinator for the tests of the agent: speaks the wire by its schemas, keeps what it was told, and does only
 * what a test says. Everything that an agent sends is checked against the schemas.
 */
import { createHash } from 'node:crypto';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { checkUp } from '@rma/protocol/check';
import { decodeUp, encodeDown } from '@rma/protocol/codec';
import type { Down, Welcome } from '@rma/protocol/down';
import { packPayload } from '@rma/protocol/payload';
import { decodeStreamData, encodeStreamData, isStreamData } from '@rma/protocol/stream';
import type { AttemptRef, AttemptResult, Chunk, Dispatch } from '@rma/protocol/task';
import type { Hello, Up, UpOf, UpType } from '@rma/protocol/up';
import type { Assignment, Verdict } from '@rma/protocol/worker';
import { type WebSocket, WebSocketServer } from 'ws';

type WorkerWelcome = NonNullable<Welcome['worker']>;

export const NO_ASSIGNMENT: Assignment = {
  tier: 3,
  pinned: false,
  reasons: ['tier 3: test'],
  workloads: [],
  declined: [],
};

/** One connection of an agent. */
export class TestSession {
  readonly messages: Up[] = [];
  closed: { code: number; reason: string } | undefined;
  readonly data = new Map<number, Buffer[]>();

  constructor(
    readonly socket: WebSocket,
    private readonly changed: () => void,
  ) {}

  get hello(): Hello {
    const first = this.messages[0];
    if (first?.type !== 'hello') throw new Error('no hello yet');
    return first;
  }

  of<T extends UpType>(type: T): UpOf<T>[] {
    return this.messages.filter((message) => message.type === type) as UpOf<T>[];
  }

  get results(): AttemptResult[] {
    return this.of('results').flatMap((message) => message.results);
  }

  get chunks(): Chunk[] {
    return this.of('chunks').flatMap((message) => message.chunks);
  }

  send(message: Down): void {
    this.socket.send(encodeDown(message, 'rma.v1.msgpack'));
  }

  dispatch(...tasks: Partial<Dispatch>[]): void {
    const complete = tasks.map((task) => ({
      task: taskId(1),
      attempt: 1,
      kind: 'echo',
      input: packPayload(null),
      timeoutMs: 60_000,
      ...task,
    }));
    this.send({ type: 'dispatch', tasks: complete });
  }

  acknowledge(...results: AttemptRef[]): void {
    this.send({ type: 'acknowledged', results: results.map(({ task, attempt }) => ({ task, attempt })) });
  }

  sendData(stream: number, bytes: Uint8Array): void {
    this.socket.send(encodeStreamData(stream, bytes));
  }

  receive(frame: Buffer, binary: boolean): void {
    if (binary && isStreamData(frame)) {
      const { stream, bytes } = decodeStreamData(frame);
      const parts = this.data.get(stream) ?? [];
      parts.push(Buffer.from(bytes));
      this.data.set(stream, parts);
    } else this.messages.push(checkUp(decodeUp(binary ? frame : String(frame))));
    this.changed();
  }

  bytes(stream: number): Buffer {
    return Buffer.concat(this.data.get(stream) ?? []);
  }
}

/** The coordinator. */
export class TestCoordinator {
  readonly sessions: TestSession[] = [];
  /** How a hello is answered; undefined: not at all. */
  answer: (hello: Hello, session: TestSession) => Partial<WorkerWelcome> | undefined = () => ({});
  /** Called for every message after it was kept. */
  onMessage: (session: TestSession, message: Up) => void = () => undefined;
  #http: Server | undefined;
  #waiters: (() => void)[] = [];
  #port = 0;

  static async start(): Promise<TestCoordinator> {
    const coordinator = new TestCoordinator();
    await coordinator.listen();
    return coordinator;
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  get session(): TestSession {
    const last = this.sessions.at(-1);
    if (!last) throw new Error('nobody connected yet');
    return last;
  }

  /** On the same port as before. */
  async listen(): Promise<void> {
    const http = createServer((_, response) => response.writeHead(404).end());
    const sockets = new WebSocketServer({
      server: http,
      path: '/ws',
      handleProtocols: (offered) => (offered.has('rma.v1.msgpack') ? 'rma.v1.msgpack' : false),
    });
    sockets.on('connection', (socket) => this.#connected(socket));
    await new Promise<void>((resolve) => http.listen(this.#port, '127.0.0.1', resolve));
    this.#port = (http.address() as AddressInfo).port;
    this.#http = http;
  }

  /** Stops listening and cuts every connection. */
  async down(): Promise<void> {
    for (const { socket } of this.sessions) socket.terminate();
    const http = this.#http;
    this.#http = undefined;
    if (http) await new Promise((resolve) => http.close(resolve));
  }

  /** Resolves with what `find` answers, once that is not undefined or false. */
  async until<T>(what: string, find: () => T | undefined | false, timeoutMs = 15_000): Promise<T> {
    const deadline = Date.now() + timeoutMs;
    for (;;) {
      const found = find();
      if (found !== undefined && found !== false) return found;
      const left = deadline - Date.now();
      if (left <= 0) throw new Error(`waited in vain for: ${what}`);
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, Math.min(left, 50));
        this.#waiters.push(() => {
          clearTimeout(timer);
          resolve();
        });
      });
    }
  }

  /** The n-th session, from 1, once its worker was welcomed. */
  welcomed(count = 1): Promise<TestSession> {
    return this.until(`session ${count}`, () => {
      const session = this.sessions[count - 1];
      return session !== undefined && session.messages.length > 0 ? session : undefined;
    });
  }

  #connected(socket: WebSocket): void {
    const session = new TestSession(socket, () => this.#changed());
    this.sessions.push(session);
    socket.on('message', (frame: Buffer, binary) => {
      session.receive(frame, binary);
      const last = session.messages.at(-1);
      if (last === undefined || (binary && isStreamData(frame))) return;
      if (last.type === 'hello') this.#greet(session, last);
      this.onMessage(session, last);
    });
    socket.on('close', (code, reason) => {
      session.closed = { code, reason: String(reason) };
      this.#changed();
    });
    socket.on('error', () => socket.terminate());
    this.#changed();
  }

  #greet(session: TestSession, hello: Hello): void {
    const worker = this.answer(hello, session);
    if (worker === undefined) return;
    const verdicts: Verdict[] = [
      ...(hello.worker?.running ?? []).map((ref) => ({ ...ref, verdict: 'keep' as const, chunk: 0 })),
      ...(hello.worker?.finished ?? []).map((ref) => ({ ...ref, verdict: 'resend' as const, chunk: 0 })),
    ];
    session.send({
      type: 'welcome',
      protocol: 1,
      session: String(this.sessions.length),
      role: 'worker',
      subject: 'test',
      server: { name: 'test', version: '0' },
      features: [],
      heartbeatMs: 3_000,
      silenceMs: 8_000,
      worker: { id: 'w-test', name: 'test', verdicts, assignment: NO_ASSIGNMENT, ...worker },
    });
  }

  #changed(): void {
    for (const resolve of this.#waiters.splice(0)) resolve();
  }
}

/** A valid task id. */
export function taskId(n: number): string {
  return `01900000-0000-7000-8000-${n.toString(16).padStart(12, '0')}`;
}

export function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}
