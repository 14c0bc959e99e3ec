/**
 * Routes the authorized messages of an open connection: to the core, to queries, subscriptions, streams, or the pending
 * request for a log. Errors of what is answered asynchronously are reported when they happen.
 */
import { ProtocolError } from '@rma/protocol/error';
import type { Action, Up, UpOf } from '@rma/protocol/up';
import { v7 } from 'uuid';
import { type UploadScope, uploaderOf } from '../blobs/blob-store.js';
import type { Input, MessageInput } from '../core/inputs.js';
import type { State } from '../core/state.js';
import type { Tokens } from '../identity/tokens.js';
import { shortId } from '../identity/tokens.js';
import { answerQuery, type QuerySource } from '../query/query.js';
import type { Clock } from '../runtime/clock.js';
import { MAX_FLOW_BYTES } from '../runtime/input-queue.js';
import type { TopicPublisher } from '../topics/topic-publisher.js';
import type { Connection } from './connection.js';
import type { EventStream } from './event-stream.js';
import type { LogRequests } from './log-requests.js';
import type { Streams } from './streams.js';

export interface IncomingOptions {
  readonly clock: Clock;
  readonly tokens: Tokens;
  readonly query: QuerySource;
  readonly topics: TopicPublisher;
  readonly events: EventStream;
  readonly logs: LogRequests;
  readonly push: (input: Input, bytes: number) => void;
  /** Whether a session may have so many bytes more waiting for a turn. */
  readonly admits: (session: number, bytes: number) => boolean;
  /** Ends a connection whose peer sends faster than it is served. */
  readonly overrun: (connection: Connection, message: string) => void;
  readonly state: () => State;
  /** Reports the error of an asynchronous answer. */
  readonly failed: (connection: Connection, error: unknown, message: Up) => void;
}

export class Incoming {
  readonly #options: IncomingOptions;

  constructor(options: IncomingOptions) {
    this.#options = options;
  }

  /** @throws ProtocolError for what can be refused at once */
  route(connection: Connection, streams: Streams, message: Exclude<Up, UpOf<'hello'>>, bytes: number): void {
    const { events, topics, logs, failed } = this.#options;
    switch (message.type) {
      case 'heartbeat':
        return;
      case 'query':
        void this.#query(connection, message);
        return;
      case 'subscribe':
        this.#subscribe(connection, message).catch((error: unknown) => failed(connection, error, message));
        return;
      case 'unsubscribe':
        if (message.topic === 'events') events.unsubscribe(connection);
        else topics.unsubscribe(connection.id, message.topic, message.key);
        return;
      case 'blob.put':
        void streams.put(message, this.#uploadScope(connection, message));
        return;
      case 'blob.get':
        void streams.get(message, this.#readableOwner(connection, message));
        return;
      case 'stream.credit':
        streams.credit(message.stream, message.bytes);
        return;
      case 'stream.end':
        void streams.end(message.stream);
        return;
      case 'stream.abort':
        streams.drop(message.stream);
        return;
      case 'log.lines':
        logs.answered(connection.id, message);
        return;
      case 'act':
        if (message.action.do === 'token.create') this.#push(connection, message, bytes, this.#mint(message.action));
        else if (message.action.do === 'task.retry') this.#push(connection, message, bytes, { newTask: v7() });
        else this.#push(connection, message, bytes);
        return;
      default:
        this.#push(connection, message, bytes);
    }
  }

  /** A peer that heeds its credit, or waits for answers, never has so much waiting. */
  #push(
    connection: Connection,
    message: MessageInput['message'],
    bytes: number,
    more: Pick<MessageInput, 'minted' | 'newTask'> = {},
  ): void {
    const { push, admits, overrun } = this.#options;
    if (admits(connection.id, bytes)) push({ type: 'message', session: connection.id, message, ...more }, bytes);
    else overrun(connection, `more than ${MAX_FLOW_BYTES} bytes wait (maxQueuedBytes); wait for answers in between`);
  }

  async #subscribe(connection: Connection, message: UpOf<'subscribe'>): Promise<void> {
    const { events, topics, state, clock } = this.#options;
    if (message.topic === 'events') {
      await events.subscribe(connection, message.ref, message.since);
      return;
    }
    const token = state().sessions.get(connection.id)?.token ?? '';
    await topics.subscribe(connection, message, token, (key) => {
      connection.send({ type: 'reply', ref: message.ref, result: { key } }, clock.nowMs());
    });
  }

  /** Whose blobs a message may name: a client's own; for a worker, the owner's of the attempt that it runs. */
  #blobOwner(connection: Connection, message: UpOf<'blob.put'> | UpOf<'blob.get'>): string | undefined {
    if (connection.role !== 'worker') return connection.subject;
    const state = this.#options.state();
    const worker = state.sessions.get(connection.id)?.worker;
    const task = message.attempt && state.tasks.get(message.attempt.task);
    const runsIt = task && worker && task.worker === worker && task.attempt === message.attempt?.attempt;
    if (runsIt && (message.type === 'blob.put' || task.blobs?.includes(message.blob))) return task.owner;
    if (message.type === 'blob.get') return undefined;
    throw new ProtocolError('not_found', 'a worker names an attempt that it runs: `attempt` is missing or not its own');
  }

  /** Whose the blob becomes, and against whose quota it counts. */
  #uploadScope(connection: Connection, message: UpOf<'blob.put'>): UploadScope {
    const owner = this.#blobOwner(connection, message) ?? connection.subject;
    const worker = this.#options.state().sessions.get(connection.id)?.worker;
    const { attempt } = message;
    if (!worker || !attempt) return { owner, uploader: uploaderOf('subject', owner), attempt: '' };
    return { owner, uploader: uploaderOf('worker', worker), attempt: `${attempt.task}#${attempt.attempt}` };
  }

  /** Whose blobs it may read: an admin, who sees every task, those of the owner of the task named. */
  #readableOwner(connection: Connection, message: UpOf<'blob.get'>): string | undefined | Promise<string | undefined> {
    if (connection.role !== 'admin' || message.task === undefined) return this.#blobOwner(connection, message);
    const reads = this.#options.query.reader.as(connection.id);
    const owner = reads.task(message.task).then((found) => found?.task.owner);
    // A stream that is not admitted does not await this, and the session may end before it is read: no rejection is unhandled.
    owner.catch(() => undefined);
    return owner;
  }

  async #query(connection: Connection, message: UpOf<'query'>): Promise<void> {
    const { query, clock, failed } = this.#options;
    try {
      const result = await answerQuery(query, connection.id, connection.viewer, message.query);
      if (connection.phase === 'open') connection.send({ type: 'reply', ref: message.ref, result }, clock.nowMs());
    } catch (error) {
      failed(connection, error, message);
    }
  }

  #mint(action: Extract<Action, { do: 'token.create' }>): Pick<MessageInput, 'minted'> {
    const { tokens, clock } = this.#options;
    const id = shortId('t-', 12);
    const expiresAt = action.expiresInSeconds ? clock.wallMs() + action.expiresInSeconds * 1_000 : 0;
    const subject = action.role === 'admin' ? 'admin' : action.name;
    return { minted: { id, token: tokens.sign({ id, role: action.role, subject, expiresAt }) } };
  }
}
