/**
 * All connections: admission of upgrades, decoding and authorization of messages, liveness. The transport's handlers for
 * WebSockets end here; the core's effects leave from here.
 */
import { checkUp } from '@rma/protocol/check';
import { decodeUp } from '@rma/protocol/codec';
import { CREDITED_TYPES, frameBytes } from '@rma/protocol/credit';
import type { DownOf } from '@rma/protocol/down';
import { type CloseName, ProtocolError } from '@rma/protocol/error';
import { judgeLiveness, LIVENESS_TICK_MS } from '@rma/protocol/liveness';
import type { QueryOf } from '@rma/protocol/query';
import { decodeStreamData, isStreamData } from '@rma/protocol/stream';
import type { Up } from '@rma/protocol/up';
import { SOCKET_PATH, SUBPROTOCOL_JSON, SUBPROTOCOLS, type Subprotocol } from '@rma/protocol/version';
import type { LogLine } from '@rma/protocol/worker';
import type { Logger } from 'pino';
import type { BlobStore } from '../blobs/blob-store.js';
import type { Effects, Outgoing } from '../core/effects.js';
import type { Input } from '../core/inputs.js';
import type { State } from '../core/state.js';
import { originAllowed } from '../identity/origin.js';
import type { Tokens } from '../identity/tokens.js';
import type { QuerySource } from '../query/query.js';
import type { Clock } from '../runtime/clock.js';
import type { Flow, Taken } from '../runtime/input-queue.js';
import type { TopicPublisher } from '../topics/topic-publisher.js';
import { authorize } from './authorize.js';
import { Connection } from './connection.js';
import { deliver, isUrgent, type ReadChunks } from './deliver.js';
import { referenceTo, wireErrorOf } from './error-reply.js';
import { EventStream } from './event-stream.js';
import { greet } from './greeting.js';
import { Greetings } from './greetings.js';
import { Incoming } from './incoming.js';
import { InputCredit } from './input-credit.js';
import { LogRequests } from './log-requests.js';
import { Receipts } from './receipts.js';
import { Streams } from './streams.js';
import type { RequestHead, Socket, SocketHandlers, Transport, UpgradeVerdict } from './transport.js';

export interface SocketSettings {
  readonly allowedOrigins: readonly string[];
  readonly helloTimeoutMs: number;
  /** Connections of one address that may be without a hello for more than 2 s. */
  readonly maxGreetingsPerAddress: number;
  readonly messagesPerSecond: number;
  readonly messageBurst: number;
}

export const DEFAULT_SOCKET_SETTINGS: SocketSettings = {
  allowedOrigins: [],
  helloTimeoutMs: 5_000,
  maxGreetingsPerAddress: 64,
  messagesPerSecond: 20_000,
  messageBurst: 40_000,
};

export interface ConnectionsOptions {
  readonly settings: SocketSettings;
  readonly clock: Clock;
  readonly tokens: Tokens;
  readonly blobs: BlobStore;
  readonly query: QuerySource;
  readonly topics: TopicPublisher;
  readonly push: (input: Input, bytes?: number) => void;
  readonly admits: (flow: Flow, bytes: number) => boolean;
  readonly state: () => State;
  readonly readChunks: ReadChunks;
  readonly log: Logger;
}

interface Entry {
  readonly connection: Connection;
  readonly streams: Streams;
}

export class Connections implements SocketHandlers {
  readonly #options: ConnectionsOptions;
  readonly #entries = new Map<number, Entry>();
  readonly #greetings: Greetings;
  readonly #events: EventStream;
  readonly #logs: LogRequests;
  readonly #incoming: Incoming;
  readonly #credit = new InputCredit();
  readonly #timer: NodeJS.Timeout;
  #tickedAtMs: number;
  #transport: Transport | undefined;
  readonly #receipts: Receipts;
  #stopping = false;

  constructor(options: ConnectionsOptions) {
    this.#options = options;
    const { clock } = options;
    this.#greetings = new Greetings(options.settings.maxGreetingsPerAddress);
    this.#tickedAtMs = clock.nowMs();
    this.#events = new EventStream({
      reader: options.query.reader,
      lastEvent: () => options.state().lastEvent,
      nowMs: () => clock.nowMs(),
      publish: (channel, frame) => this.#transport?.publish(channel, frame),
    });
    this.#logs = new LogRequests({
      state: options.state,
      nowMs: () => clock.nowMs(),
      connection: (session) => this.#entries.get(session)?.connection,
    });
    this.#incoming = new Incoming({
      ...options,
      events: this.#events,
      logs: this.#logs,
      overrun: (connection, message) => this.#overrun(connection, message),
      failed: (connection, error, message) => this.#failed(connection, error, clock.nowMs(), message),
    });
    this.#receipts = new Receipts((session, outgoing) => this.#deliver(session, outgoing));
    this.#timer = setInterval(() => this.#tick(), LIVENESS_TICK_MS);
  }

  /** Publishes events over the transport that calls these handlers. */
  attach(transport: Transport): void {
    this.#transport = transport;
  }

  get size(): number {
    return this.#entries.size;
  }

  get streams(): number {
    let streams = 0;
    for (const entry of this.#entries.values()) streams += entry.streams.size;
    return streams;
  }

  /** @throws ProtocolError of kind `not_found`, `unavailable` or `rate_limited` */
  workerLog(query: QueryOf<'log'>): Promise<LogLine[]> {
    return this.#logs.request(query);
  }

  upgrade(head: RequestHead, protocols: readonly string[]): UpgradeVerdict {
    const { settings } = this.#options;
    const refuse = (status: number, message: string): UpgradeVerdict => ({ accept: false, status, message });
    if (this.#stopping) return refuse(503, 'the coordinator is stopping; dial again shortly');
    if (head.path !== SOCKET_PATH) return refuse(404, `the socket's path is ${SOCKET_PATH}`);
    if (!originAllowed(head.headers, settings.allowedOrigins)) {
      const origin = head.headers.get('origin') ?? '';
      return refuse(403, `the origin ${origin.slice(0, 200)} is not allowed here (--allowed-origin)`);
    }
    // Manual tools such as wscat offer none; they get JSON.
    if (protocols.length === 0) return { accept: true, protocol: '' };
    const protocol = SUBPROTOCOLS.find((name) => protocols.includes(name));
    if (!protocol) return refuse(400, `the subprotocols spoken here are ${SUBPROTOCOLS.join(' and ')}`);
    return { accept: true, protocol };
  }

  open(socket: Socket): void {
    const { clock, settings, blobs, log } = this.#options;
    const subprotocol = (socket.protocol || SUBPROTOCOL_JSON) as Subprotocol;
    const connection = new Connection(socket, subprotocol, clock.nowMs(), settings.messageBurst);
    const streams = new Streams(
      connection,
      blobs,
      () => clock.nowMs(),
      (error) => log.error({ err: error, connection: connection.id }, 'a stream failed'),
    );
    this.#entries.set(connection.id, { connection, streams });
    const excess = this.#greetings.add(connection);
    if (excess) this.#cutGreeting(excess, clock.nowMs());
  }

  message(socket: Socket, data: string | Uint8Array): void {
    const entry = this.#entries.get(socket.id);
    if (!entry) return;
    const { connection, streams } = entry;
    if (connection.phase === 'closing') return;
    const { clock, settings } = this.#options;
    const nowMs = clock.nowMs();
    connection.liveness.heardAtMs = nowMs;
    if (!connection.allow(nowMs, settings.messagesPerSecond, settings.messageBurst)) {
      this.#overrun(connection, `more than ${settings.messagesPerSecond} messages a second (messagesPerSecond)`);
      return;
    }
    if (typeof data !== 'string' && isStreamData(data)) {
      if (connection.phase === 'open') {
        const { stream, bytes } = decodeStreamData(data);
        streams.data(stream, bytes);
      }
      return;
    }
    const bytes = frameBytes(data);
    let decoded: unknown;
    try {
      decoded = decodeUp(data);
      this.#accept(entry, checkUp(decoded), bytes);
    } catch (error) {
      // What was refused waits for no turn: its credit comes back now.
      const { type } = (decoded ?? {}) as { type?: unknown };
      if (typeof type === 'string' && CREDITED_TYPES.has(type)) {
        this.#credit.count(connection.id, { messages: 1, bytes }, this.#grant);
      }
      this.#failed(connection, error, nowMs, decoded);
    }
  }

  /** Ends a connection whose peer sends faster than it is served. */
  #overrun(connection: Connection, message: string): void {
    const nowMs = this.#options.clock.nowMs();
    connection.sendError({ kind: 'rate_limited', message }, nowMs);
    connection.goodbye('rate_limited', message, nowMs, 1_000);
  }

  readonly #grant = (session: number, credit: DownOf<'credit'>): void => {
    const connection = this.#entries.get(session)?.connection;
    if (connection?.phase === 'open') connection.send(credit, this.#options.clock.nowMs());
  };

  drain(socket: Socket): void {
    this.#entries.get(socket.id)?.streams.drain();
  }

  close(socket: Socket, code: number, reason: string): void {
    const entry = this.#entries.get(socket.id);
    if (!entry) return;
    const { connection, streams } = entry;
    this.#entries.delete(socket.id);
    this.#receipts.closed(socket.id);
    this.#greetings.remove(connection);
    connection.phase = 'closing';
    streams.close();
    this.#events.unsubscribe(connection);
    this.#logs.closed(socket.id);
    this.#credit.closed(socket.id);
    this.#options.query.turns.drop(socket.id);
    this.#options.topics.unsubscribe(connection.id);
    this.#options.push({ type: 'closed', session: socket.id, reason: `${code} ${reason}`.trim() });
  }

  /** After the commit: sends everything that the step asks for, urgent messages first, then the events. */
  perform(effects: Effects, taken: ReadonlyMap<Flow, Taken>): void {
    const { outgoing } = effects;
    this.#credit.took(taken, this.#grant);
    if (outgoing.size > 1) for (const [id, its] of outgoing) if (isUrgent(its)) this.#send(id, its);
    for (const [id, its] of outgoing) if (outgoing.size === 1 || !isUrgent(its)) this.#send(id, its);
    this.#events.publish(effects.persist.events);
    this.#options.topics.observe(effects);
  }

  #send(id: number, outgoing: Outgoing): void {
    const now = this.#entries.has(id) ? this.#receipts.pass(id, outgoing) : undefined;
    if (now) this.#deliver(id, now);
  }

  #deliver(id: number, outgoing: Outgoing): void {
    const { clock, readChunks, query, log } = this.#options;
    const connection = this.#entries.get(id)?.connection;
    if (!connection || connection.phase === 'closing') return;
    if (outgoing.welcome) {
      connection.phase = 'open';
      connection.role = outgoing.welcome.role;
      connection.subject = outgoing.welcome.subject;
      if (outgoing.welcome.features.includes('credit')) outgoing.welcome.credit = this.#credit.open(connection.id);
      outgoing.welcome.server = { name: 'rma-coordinator', version: query.version };
    }
    const nowMs = clock.nowMs();
    try {
      deliver(connection, outgoing, nowMs, readChunks);
    } catch (error) {
      // One peer's unencodable message must not keep the others from getting theirs.
      log.error({ err: error, connection: connection.id }, 'a message could not be sent; its connection ends');
      connection.goodbye('restart', 'a message to this peer could not be made; dial again', nowMs, 1_000);
    }
  }

  /** Ends every connection with `goodbye`; reconnects are spread at random over `spreadMs`. */
  closeAll(reason: CloseName, message: string, spreadMs: number): void {
    this.#receipts.flush();
    const nowMs = this.#options.clock.nowMs();
    for (const { connection } of this.#entries.values()) {
      connection.goodbye(reason, message, nowMs, Math.floor(Math.random() * spreadMs));
    }
  }

  stop(): void {
    this.#stopping = true;
    this.#logs.stop();
    clearInterval(this.#timer);
  }

  #cutGreeting(connection: Connection, nowMs: number): void {
    const message = 'too many connections wait for their hello (maxGreetingsPerAddress); dial again and say it at once';
    connection.send({ type: 'goodbye', reason: 'overloaded', message, reconnectAfterMs: 1_000 }, nowMs);
    connection.phase = 'closing';
    // Without a closing handshake, which would wait for the end of a frame that does not end.
    connection.socket.terminate();
  }

  /** @throws ProtocolError for a message that this role may not send, or not in this phase */
  #accept(entry: Entry, message: Up, bytes: number): void {
    const { connection, streams } = entry;
    if (message.type === 'hello') {
      greet(this.#options, this.#greetings, connection, message, bytes);
      return;
    }
    if (connection.phase !== 'open' || connection.role === null) {
      throw new ProtocolError(
        'unauthenticated',
        `'${message.type}' came before the welcome; send hello and wait for it`,
      );
    }
    authorize(connection, message);
    this.#incoming.route(connection, streams, message, bytes);
  }

  /** Answers a failed message with its error; closes a peer that keeps sending invalid ones. */
  #failed(connection: Connection, error: unknown, nowMs: number, message: unknown): void {
    const wire = wireErrorOf(error);
    if (wire.kind === 'internal')
      this.#options.log.error({ err: error, connection: connection.id }, 'a message failed');
    if (connection.phase === 'closing') return;
    const { about, ref } = referenceTo(message);
    connection.sendError(wire, nowMs, about, ref);
    if (connection.phase === 'greeting') {
      connection.goodbye('bad_frame', `a connection begins with a valid hello: ${wire.message}`, nowMs);
      return;
    }
    const harmless = wire.kind === 'not_found' || wire.kind === 'unavailable' || wire.kind === 'conflict';
    if (!harmless && connection.violate(nowMs)) {
      const name =
        wire.kind === 'forbidden' ? 'forbidden' : wire.kind === 'unauthenticated' ? 'unauthenticated' : 'bad_frame';
      connection.goodbye(name, `too many invalid messages, the last: ${wire.message}`, nowMs);
    }
  }

  /** Once a second: closes silent connections and those without a hello in time, sends heartbeats. */
  #tick(): void {
    const { clock, settings } = this.#options;
    const nowMs = clock.nowMs();
    const lagMs = Math.max(0, nowMs - this.#tickedAtMs - LIVENESS_TICK_MS);
    this.#tickedAtMs = nowMs;
    for (const connection of this.#greetings.excess(nowMs, lagMs)) this.#cutGreeting(connection, nowMs);
    for (const { connection } of this.#entries.values()) {
      if (connection.phase === 'closing') continue;
      const verdict = judgeLiveness(connection.liveness, nowMs, lagMs);
      if (verdict === 'dead') {
        connection.goodbye('silent', 'nothing was heard for 8 s', nowMs);
        connection.socket.terminate();
      } else if (connection.phase === 'greeting' && nowMs - connection.openedAtMs >= settings.helloTimeoutMs) {
        connection.goodbye('hello_timeout', `no hello within ${settings.helloTimeoutMs} ms`, nowMs);
      } else if (verdict === 'heartbeat' && connection.phase === 'open') {
        connection.send({ type: 'heartbeat' }, nowMs);
      }
    }
  }
}
