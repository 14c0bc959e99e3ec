/**
 * The client behind its connection: hands each message to the tasks, requests, events or topics that it concerns, and
 * collects what they have to send. Does no I/O.
 */
import type { ConnectionHost, Outbound } from '@rma/peer/connection';
import type { SessionEnd, SessionLost } from '@rma/peer/session';
import type { Down, Role, Welcome } from '@rma/protocol/down';
import { ProtocolError } from '@rma/protocol/error';
import type { UpOf } from '@rma/protocol/up';
import type { Blobs } from './blobs.js';
import { ClosedError, OfflineError } from './client-error.js';
import { type Deferred, deferred } from './deferred.js';
import { EventFeed } from './event-feed.js';
import { TopicFeed } from './live/topic-feed.js';
import { Requests } from './requests.js';
import type { Task } from './task.js';
import { TaskTable } from './task-table.js';

/** What happens to the connection, for a status line. The client reconnects by itself. */
export type ConnectionChange =
  | {
      readonly state: 'connected';
      readonly role: Role;
      readonly subject: string;
      /** Another version than before: the coordinator was replaced. */
      readonly version: string;
    }
  /** `retryInMs` is infinite where the client gave up. */
  | { readonly state: 'disconnected'; readonly reason: string; readonly retryInMs: number };

export interface RouterHooks {
  readonly url: string;
  readonly token: string | undefined;
  /** Late, because the connection needs the router first. */
  blobs(): Blobs;
  /** A task's blobs must be uploaded (again); then it is to be added to the table. */
  upload(task: Task): void;
  /** Subscribes to the events after a number; answers with the newest one's. */
  subscribe(since: number | undefined): Promise<number>;
  /** Subscribes to a topic; answers with its key. */
  subscribeTopic(request: Omit<UpOf<'subscribe'>, 'ref'>): Promise<{ key: string }>;
  flushSoon(): void;
  onConnection?: ((change: ConnectionChange) => void) | undefined;
}

export class MessageRouter implements ConnectionHost {
  readonly tasks: TaskTable;
  readonly requests = new Requests();
  readonly feed: EventFeed;
  readonly topics: TopicFeed;
  /** Why nothing more can be sent, once that is so. */
  endedBy: Error | undefined;
  readonly #hooks: RouterHooks;
  #awaitingSession: Deferred<Welcome>[] = [];

  constructor(hooks: RouterHooks) {
    this.#hooks = hooks;
    this.tasks = new TaskTable((task) => hooks.upload(task));
    this.feed = new EventFeed((since) => hooks.subscribe(since));
    this.topics = new TopicFeed(
      (request) => hooks.subscribeTopic(request),
      () => hooks.flushSoon(),
    );
  }

  nextSession(): Promise<Welcome> {
    const session = deferred<Welcome>();
    this.#awaitingSession.push(session);
    return session.promise;
  }

  hello(): { token?: string } {
    const { token } = this.#hooks;
    return token === undefined ? {} : { token };
  }

  begun(welcome: Welcome): void {
    this.feed.resume();
    this.topics.resume();
    for (const session of this.#awaitingSession.splice(0)) session.resolve(welcome);
    const { role, subject, server } = welcome;
    this.#hooks.onConnection?.({ state: 'connected', role, subject, version: server.version });
  }

  received(message: Down, _frame: unknown, nowMs: number, random: number): void {
    switch (message.type) {
      case 'accepted':
        this.tasks.accepted(message);
        break;
      case 'ended':
        this.tasks.ended(message);
        break;
      case 'changed':
        this.tasks.changed(message);
        break;
      case 'chunks':
        this.tasks.chunks(message);
        break;
      case 'refused':
        this.tasks.refused(message, nowMs, random);
        break;
      case 'reply':
        this.requests.replied(message.ref, message.result);
        break;
      case 'events':
        this.feed.events(message.events);
        break;
      case 'error': {
        const error = ProtocolError.fromWire(message.error);
        if (message.ref !== undefined) this.requests.refused(message.ref, error);
        else this.tasks.turnedDown(message.about, error, nowMs, random);
        break;
      }
      default:
        this.topics.received(message);
    }
  }

  offline(): void {
    this.tasks.lost();
    this.requests.lost();
    this.topics.lost();
  }

  lost({ why, afterMs }: SessionLost): void {
    this.#hooks.onConnection?.({ state: 'disconnected', reason: why, retryInMs: afterMs });
  }

  ended(end: SessionEnd): void {
    const error = this.#errorOf(end);
    this.endedBy = error;
    this.#hooks.blobs().failed(error);
    this.tasks.failed(error);
    this.requests.failed(error);
    this.feed.failed(error);
    this.topics.failed(error);
    for (const session of this.#awaitingSession.splice(0)) session.reject(error);
    if (end.cause === 'left') return;
    this.#hooks.onConnection?.({
      state: 'disconnected',
      reason: error.message,
      retryInMs: Number.POSITIVE_INFINITY,
    });
  }

  tick(nowMs: number): void {
    this.tasks.tick(nowMs);
  }

  dueAtMs(): number | undefined {
    return this.tasks.dueAtMs();
  }

  takeControl(): Outbound[] {
    return [...this.feed.take(), ...this.topics.take(), ...this.requests.take(), ...this.tasks.takeWatches()];
  }

  /** How many tasks are to be submitted. */
  get backlog(): number {
    return this.tasks.submits;
  }

  takeBatch(): Outbound | undefined {
    return this.tasks.takeSubmit();
  }

  #errorOf(end: SessionEnd): Error {
    switch (end.cause) {
      case 'left':
        return new ClosedError();
      case 'offline':
        return new OfflineError(this.#hooks.url, end.offlineMs, end.reason);
      case 'refused':
        return end.error;
    }
  }
}
