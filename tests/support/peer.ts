/**
 * A peer of a real coordinator that speaks bare frames of the protocol: sends heartbeats and what the test sends, and keeps
 * what arrives. Waiting for a message takes it out of `inbox`.
 */
import { randomBytes } from 'node:crypto';
import { checkDown } from '@rma/protocol/check';
import { decodeDown, encodeUp } from '@rma/protocol/codec';
import type { Down, DownOf, DownType } from '@rma/protocol/down';
import { HEARTBEAT_MS } from '@rma/protocol/liveness';
import { packPayload } from '@rma/protocol/payload';
import type { Asking } from '@rma/protocol/reply';
import { decodeStreamData, encodeStreamData, isStreamData } from '@rma/protocol/stream';
import type { TaskSpec } from '@rma/protocol/task';
import type { Up, UpOf } from '@rma/protocol/up';
import { SUBPROTOCOL_MSGPACK, type Subprotocol } from '@rma/protocol/version';
import type { WorkerHello } from '@rma/protocol/worker';
import { v7 } from 'uuid';
import { WebSocket } from 'ws';

const WAIT_MS = 10_000;

export interface PeerOptions {
  /** null offers none. */
  readonly subprotocol?: Subprotocol | null;
  /** Off for tests of silence. */
  readonly heartbeats?: boolean;
  /** Of the upgrade: an Origin, say. */
  readonly headers?: Readonly<Record<string, string>>;
}

/** A message that is answered under its number. */
export type Asked = { [T in Asking['type']]: Omit<UpOf<T>, 'ref'> }[Asking['type']];

export interface Closed {
  readonly code: number;
  readonly reason: string;
}

export class Peer {
  /** What came and was not taken yet, without heartbeats. */
  readonly inbox: Down[] = [];
  /** Stream data that came and was not taken yet. */
  readonly data: { stream: number; bytes: Uint8Array }[] = [];
  /** Heartbeats that came. */
  heartbeats = 0;
  /** Settles once the connection is gone, whoever ended it. */
  readonly closed: Promise<Closed>;
  /** Gets every message before the inbox does; true takes it. For peers that answer by themselves. */
  onMessage: (message: Down) => boolean = () => false;
  readonly subprotocol: Subprotocol | 'rma.v1.json';
  readonly #socket: WebSocket;
  readonly #timer: NodeJS.Timeout | undefined;
  readonly #waiters = new Set<() => void>();
  #end: Closed | undefined;
  #fault: unknown;
  #ref = 1_000_000;

  private constructor(socket: WebSocket, { subprotocol = SUBPROTOCOL_MSGPACK, heartbeats = true }: PeerOptions) {
    this.#socket = socket;
    this.subprotocol = subprotocol ?? 'rma.v1.json';
    socket.on('message', (raw: Buffer, isBinary) => {
      try {
        this.#receive(isBinary ? raw : raw.toString());
      } catch (error) {
        // A frame that breaks the contract rejects the pending wait, and the next one.
        this.#fault = error;
      }
      this.#notify();
    });
    this.closed = new Promise((resolve) => {
      socket.on('close', (code, reason) => {
        clearInterval(this.#timer);
        this.#end = { code, reason: reason.toString() };
        resolve(this.#end);
        this.#notify();
      });
    });
    if (heartbeats) this.#timer = setInterval(() => this.send({ type: 'heartbeat' }), HEARTBEAT_MS);
  }

  /** @param url `ws://…/ws` */
  static async dial(url: string, options: PeerOptions = {}): Promise<Peer> {
    const { subprotocol = SUBPROTOCOL_MSGPACK } = options;
    const socket = new WebSocket(url, subprotocol === null ? [] : [subprotocol], {
      perMessageDeflate: false,
      headers: { ...options.headers },
    });
    // The welcome may come in the same read as the upgrade: listen before it is open.
    const peer = new Peer(socket, options);
    await new Promise<void>((resolve, reject) => {
      socket.once('open', resolve);
      socket.on('error', reject);
    });
    return peer;
  }

  /** Dials and says hello as a client or an admin; resolves once welcome. */
  static async client(url: string, token: string, options: PeerOptions = {}): Promise<Peer> {
    const peer = await Peer.dial(url, options);
    await peer.hello({ token });
    return peer;
  }

  /** Dials and says hello as a worker; resolves with the welcome, which holds its id and, at a first join, its credential. */
  static async worker(
    url: string,
    token: string,
    worker: WorkerHello,
    options: PeerOptions = {},
  ): Promise<{ peer: Peer; id: string; credential: string; welcome: DownOf<'welcome'> }> {
    const peer = await Peer.dial(url, options);
    const welcome = await peer.hello({ token, worker });
    if (!welcome.worker) throw new Error('the welcome of a worker has no id');
    return { peer, id: welcome.worker.id, credential: welcome.worker.credential ?? token, welcome };
  }

  hello(hello: Partial<UpOf<'hello'>>): Promise<DownOf<'welcome'>> {
    this.send({ type: 'hello', protocol: 1, agent: { name: 'test-peer', version: '0' }, ...hello });
    return this.waitFor('welcome');
  }

  /** What is sent to a closed connection is lost, as it is for every peer. */
  send(...messages: Up[]): void {
    for (const message of messages) this.sendRaw(encodeUp(message, this.subprotocol));
  }

  sendRaw(frame: Uint8Array | string): void {
    if (this.#socket.readyState === WebSocket.OPEN) this.#socket.send(frame);
  }

  sendData(stream: number, bytes: Uint8Array): void {
    this.sendRaw(encodeStreamData(stream, bytes));
  }

  /** The first message that was not taken yet, or the next one. */
  next(timeoutMs?: number): Promise<Down> {
    return this.until(() => this.inbox.shift(), 'any message', timeoutMs);
  }

  /** The first message of this type, and with this property, that was not taken yet; others stay. */
  waitFor<T extends DownType>(
    type: T,
    matches: (message: DownOf<T>) => boolean = () => true,
    timeoutMs?: number,
  ): Promise<DownOf<T>> {
    const take = () => {
      const i = this.inbox.findIndex((message) => message.type === type && matches(message as DownOf<T>));
      return i < 0 ? undefined : (this.inbox.splice(i, 1)[0] as DownOf<T>);
    };
    return this.until(take, `'${type}'`, timeoutMs);
  }

  /** The reply to what was sent under this number. @throws with the error's kind and message where one came instead */
  async reply(ref: number, timeoutMs?: number): Promise<unknown> {
    const take = () => {
      const i = this.inbox.findIndex((m) => (m.type === 'reply' || m.type === 'error') && m.ref === ref);
      return i < 0 ? undefined : this.inbox.splice(i, 1)[0];
    };
    const answer = await this.until(take, `the answer to ${ref}`, timeoutMs);
    if (answer.type === 'reply') return answer.result;
    throw new Error(answer.type === 'error' ? `${answer.error.kind}: ${answer.error.message}` : answer.type);
  }

  /** Sends it under a number of its own; resolves with what is replied. @throws as `reply` does */
  ask(message: Asked, timeoutMs?: number): Promise<unknown> {
    const ref = this.#ref++;
    this.send({ ...message, ref } as Up);
    return this.reply(ref, timeoutMs);
  }

  /** Resolves with what `find` returns, which is called after every frame; rejects when the connection ends before. */
  until<R>(find: () => R | undefined, what: string, timeoutMs = WAIT_MS): Promise<R> {
    return new Promise((resolve, reject) => {
      const settle = (act: () => void) => {
        clearTimeout(timer);
        this.#waiters.delete(check);
        act();
      };
      const fail = (why: string) => settle(() => reject(new Error(`${why} before ${what} came; ${this.#summary()}`)));
      const check = () => {
        const found = find();
        if (found !== undefined) settle(() => resolve(found));
        else if (this.#fault !== undefined) settle(() => reject(this.#fault));
        else if (this.#end) fail(`the connection closed (${this.#end.code} ${this.#end.reason})`);
      };
      const timer = setTimeout(() => fail(`${timeoutMs} ms passed`), timeoutMs);
      this.#waiters.add(check);
      check();
    });
  }

  /** Reads nothing more, as a process that hangs. */
  pause(): void {
    clearInterval(this.#timer);
    this.#socket.pause();
  }

  /** Reads nothing for now and goes on sending heartbeats: a browser on a slow line. */
  stall(): void {
    this.#socket.pause();
  }

  /** After `stall`. */
  resume(): void {
    this.#socket.resume();
  }

  /** Ends the connection in order. */
  async close(): Promise<Closed> {
    clearInterval(this.#timer);
    this.#socket.close(1000);
    return this.closed;
  }

  /** Ends it as a power cut does, without a close frame. */
  async kill(): Promise<Closed> {
    clearInterval(this.#timer);
    this.#socket.terminate();
    return this.closed;
  }

  #receive(frame: Uint8Array | string): void {
    if (typeof frame !== 'string' && isStreamData(frame)) {
      this.data.push(decodeStreamData(frame));
      return;
    }
    const message = checkDown(decodeDown(frame));
    if (message.type === 'heartbeat') this.heartbeats++;
    else if (!this.onMessage(message)) this.inbox.push(message);
  }

  #notify(): void {
    for (const check of [...this.#waiters]) check();
  }

  #summary(): string {
    const last = this.inbox.slice(-5).map((message) => JSON.stringify(message).slice(0, 300));
    return last.length > 0 ? `not taken: ${last.join(' ')}` : 'nothing else came';
  }
}

/** A new task id, as clients make them. */
export const newTaskId = (): string => v7();

/** A task of the built-in kind `echo`. */
export function echoTask(input: unknown = null, options: Partial<TaskSpec> = {}): TaskSpec {
  return { id: newTaskId(), kind: 'echo', input: packPayload(input), ...options };
}

/** What a machine of tier 2 says in its hello: one healthy service that takes `slots` tasks of `kinds`. */
export function workerHello(
  options: Partial<WorkerHello> & { slots?: number; kinds?: readonly string[] } = {},
): WorkerHello {
  const { slots = 4, kinds = ['echo'], ...hello } = options;
  return {
    key: randomBytes(16).toString('hex'),
    instance: randomBytes(8).toString('hex'),
    hardware: {
      os: 'linux',
      arch: 'x64',
      cpu: { model: 'test', logicalCores: 4 },
      memory: { totalMiB: 16_384 },
      disk: { freeGiB: 100, totalGiB: 200 },
      gpus: [],
      container: false,
      notes: [],
    },
    available: [],
    services: [{ name: 'embedded', runtime: 'embedded', state: 'healthy', kinds: [...kinds], slots }],
    running: [],
    finished: [],
    ...hello,
  };
}
