/**
 * What client and coordinator have to say to each other: tasks, questions, blobs and events over one session after the
 * other. Does no I/O: the connection brings what came and takes what is to be sent.
 */
import type { Down, Role, Welcome } from '@rma/protocol/down';
import type { Up, UpOf } from '@rma/protocol/up';
import { BlobTransfers } from './blob-transfers.js';
import { ClosedError } from './client-error.js';
import type { ConnectionSubject } from './connection.js';
import { EventFeed } from './event-feed.js';
import { TopicFeed } from './live/topic-feed.js';
import { Requests } from './requests.js';
import type { Task } from './task.js';
import { errorFromWire, TaskBook } from './task-book.js';

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

export interface ConversationHooks {
  /** A task's blobs must be uploaded (again); then it is to be added to the book. */
  upload(task: Task): void;
  /** Asks for the events after a number; answers with the newest one's. */
  subscribe(since: number | undefined): Promise<number>;
  /** Asks for a topic; answers with its key. */
  subscribeTopic(request: Omit<UpOf<'subscribe'>, 'ref'>): Promise<{ key: string }>;
  flushSoon(): void;
  onConnection?: ((change: ConnectionChange) => void) | undefined;
}

export class Conversation implements ConnectionSubject {
  readonly book: TaskBook;
  readonly requests = new Requests();
  readonly transfers = new BlobTransfers();
  readonly feed: EventFeed;
  readonly topics: TopicFeed;
  readonly #hooks: ConversationHooks;
  #awaitingSession: { resolve(welcome: Welcome): void; reject(error: Error): void }[] = [];

  constructor(hooks: ConversationHooks) {
    this.#hooks = hooks;
    this.book = new TaskBook((task) => hooks.upload(task));
    this.feed = new EventFeed((since) => hooks.subscribe(since));
    this.topics = new TopicFeed(
      (request) => hooks.subscribeTopic(request),
      () => hooks.flushSoon(),
    );
  }

  nextSession(): Promise<Welcome> {
    return new Promise((resolve, reject) => {
      this.#awaitingSession.push({ resolve, reject });
    });
  }

  begun(welcome: Welcome): void {
    this.feed.resume();
    this.topics.resume();
    for (const waiting of this.#awaitingSession.splice(0)) waiting.resolve(welcome);
    this.#hooks.onConnection?.({
      state: 'connected',
      role: welcome.role,
      subject: welcome.subject,
      version: welcome.server.version,
    });
  }

  received(message: Down, nowMs: number, random: number): void {
    switch (message.type) {
      case 'accepted':
        this.book.accepted(message);
        break;
      case 'ended':
        this.book.ended(message);
        break;
      case 'changed':
        this.book.changed(message);
        break;
      case 'chunks':
        this.book.chunks(message);
        break;
      case 'refused':
        this.book.refused(message, nowMs, random);
        break;
      case 'reply':
        this.requests.replied(message.ref, message.result);
        break;
      case 'events':
        this.feed.events(message.events);
        break;
      case 'error':
        if (message.ref !== undefined) this.requests.refused(message.ref, errorFromWire(message.error));
        else this.book.turnedDown(message.about, errorFromWire(message.error), nowMs, random);
        break;
      default:
        if (!this.topics.received(message)) this.transfers.receive(message, nowMs, random);
    }
  }

  data(stream: number, bytes: Uint8Array): void {
    this.transfers.data(stream, bytes);
  }

  lost(reason: string, retryInMs: number): void {
    this.transfers.lost();
    this.book.lost();
    this.requests.lost();
    this.topics.lost();
    this.#hooks.onConnection?.({ state: 'disconnected', reason, retryInMs });
  }

  ended(error: Error): void {
    this.transfers.failed(error);
    this.book.failed(error);
    this.requests.failed(error);
    this.feed.failed(error);
    this.topics.failed(error);
    for (const waiting of this.#awaitingSession.splice(0)) waiting.reject(error);
    if (error instanceof ClosedError) return;
    this.#hooks.onConnection?.({
      state: 'disconnected',
      reason: error.message,
      retryInMs: Number.POSITIVE_INFINITY,
    });
  }

  tick(nowMs: number): void {
    this.book.tick(nowMs);
    this.transfers.tick(nowMs);
  }

  dueAtMs(): number | undefined {
    const due = Math.min(
      this.book.dueAtMs() ?? Number.POSITIVE_INFINITY,
      this.transfers.dueAtMs() ?? Number.POSITIVE_INFINITY,
    );
    return due === Number.POSITIVE_INFINITY ? undefined : due;
  }

  takeControl(): Up[] {
    return [
      ...this.feed.take(),
      ...this.topics.take(),
      ...this.requests.take(),
      ...this.book.takeWatches(),
      ...this.transfers.takeControl(),
    ];
  }

  get submits(): number {
    return this.book.submits;
  }

  takeSubmit(): Up | undefined {
    return this.book.takeSubmit();
  }

  takeData(): Uint8Array | Up | undefined {
    return this.transfers.takeData();
  }
}
