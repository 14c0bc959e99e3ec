/**
 * The topics that a client subscribes to: each once, however many listeners its live value has, and again with every
 * session. Does no I/O.
 */
import type { Down } from '@rma/protocol/down';
import { type LiveTopicName, TOPIC_MESSAGES, type TopicMessageOf } from '@rma/protocol/topic';
import type { Up, UpOf } from '@rma/protocol/up';
import { LiveValue } from './live.js';

export type TopicMessage = { [T in LiveTopicName]: TopicMessageOf<T> }[LiveTopicName];
type SubscribeRequest = Omit<UpOf<'subscribe'>, 'ref'>;
type TopicRequest = Omit<SubscribeRequest, 'type' | 'since'> & { readonly topic: LiveTopicName };

/** Messages kept that overtook the reply which carries their key. */
const MAX_EARLY = 64;

interface Entry {
  readonly name: string;
  readonly request: TopicRequest;
  readonly live: LiveValue<unknown>;
  apply(message: TopicMessage): void;
  key: string | undefined;
  /** `subscribe` was sent or queued, and not answered yet. */
  subscribing: boolean;
  /** Its live value has listeners. */
  wanted: boolean;
}

export class TopicFeed {
  /** Subscribed, or about to be. */
  readonly #entries = new Set<Entry>();
  readonly #send: (request: SubscribeRequest) => Promise<{ key: string }>;
  readonly #changed: () => void;
  #early: TopicMessage[] = [];
  #control: Up[] = [];

  /** @param changed called when `take` has something to send */
  constructor(send: (request: SubscribeRequest) => Promise<{ key: string }>, changed: () => void) {
    this.#send = send;
    this.#changed = changed;
  }

  /** Topics with listeners. */
  get size(): number {
    let size = 0;
    for (const entry of this.#entries) if (entry.wanted) size += 1;
    return size;
  }

  /** The live value of a topic: one and the same for equal requests while it has listeners. */
  live<M extends TopicMessage, T>(
    request: TopicRequest & { readonly topic: M['type'] },
    reduce: (before: T | undefined, message: M) => T | undefined,
  ): LiveValue<T> {
    const name = JSON.stringify(request);
    for (const entry of this.#entries) if (entry.name === name) return entry.live as LiveValue<T>;
    const live = new LiveValue<T>({ start: () => this.#start(entry), stop: () => this.#stop(entry) });
    const entry: Entry = {
      name,
      request,
      live: live as LiveValue<unknown>,
      apply: (message) => {
        const value = reduce(live.value, message as M);
        if (value !== undefined) live.set(value);
      },
      key: undefined,
      subscribing: false,
      wanted: false,
    };
    return live;
  }

  received(message: Down): boolean {
    if (!isTopic(message)) return false;
    let known = false;
    for (const entry of this.#entries) {
      if (entry.key !== message.key) continue;
      known = true;
      if (entry.wanted) entry.apply(message);
    }
    if (!known && this.#early.length < MAX_EARLY && this.#isSubscribing) this.#early.push(message);
    return true;
  }

  /** A new session: all topics are subscribed again. A `subscribe` without an answer yet is repeated by `Requests`. */
  resume(): void {
    this.#early = [];
    this.#control = [];
    for (const entry of this.#entries) {
      entry.key = undefined;
      if (entry.wanted && !entry.subscribing) this.#subscribe(entry);
    }
  }

  lost(): void {
    this.#early = [];
    for (const entry of this.#entries) {
      entry.key = undefined;
      if (entry.wanted) entry.live.markStale();
    }
  }

  failed(error: Error): void {
    const entries = [...this.#entries];
    this.#entries.clear();
    for (const entry of entries) {
      if (!entry.wanted) continue;
      entry.wanted = false;
      entry.live.fail(error);
    }
  }

  take(): Up[] {
    const control = this.#control;
    this.#control = [];
    return control;
  }

  get #isSubscribing(): boolean {
    for (const entry of this.#entries) if (entry.subscribing) return true;
    return false;
  }

  #start(entry: Entry): void {
    entry.wanted = true;
    this.#entries.add(entry);
    if (!entry.subscribing) this.#subscribe(entry);
  }

  #subscribe(entry: Entry): void {
    entry.subscribing = true;
    this.#send({ type: 'subscribe', ...entry.request }).then(
      ({ key }) => {
        entry.subscribing = false;
        entry.key = key;
        if (!entry.wanted) this.#end(entry);
        for (const message of this.#early) if (message.key === key && entry.wanted) entry.apply(message);
        if (!this.#isSubscribing) this.#early = [];
      },
      (error: Error) => {
        entry.subscribing = false;
        this.#entries.delete(entry);
        if (entry.wanted) {
          entry.wanted = false;
          entry.live.fail(error);
        }
      },
    );
    this.#changed();
  }

  #stop(entry: Entry): void {
    entry.wanted = false;
    if (!entry.subscribing) this.#end(entry);
  }

  /** Two requests may have the same key (an owner's own filter, say): the last one ends the subscription. */
  #end(entry: Entry): void {
    this.#entries.delete(entry);
    const { key } = entry;
    entry.key = undefined;
    if (key === undefined) return;
    for (const other of this.#entries) if (other.wanted && other.key === key) return;
    this.#control.push({ type: 'unsubscribe', topic: entry.request.topic, key });
    this.#changed();
  }
}

function isTopic(message: Down): message is TopicMessage {
  return Object.hasOwn(TOPIC_MESSAGES, message.type);
}
