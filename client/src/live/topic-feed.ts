/** The topics that one client looks at, each subscribed once, and again with every session. Does no I/O. */
import type { Down } from '@rma/protocol/down';
import type { TopicMessageOf } from '@rma/protocol/topic';
import type { Up, UpOf } from '@rma/protocol/up';
import { LiveValue } from './live.js';

type TopicType = 'overview' | 'workers' | 'worker' | 'tasks' | 'join' | 'recent';
export type TopicMessage = { [T in TopicType]: TopicMessageOf<T> }[TopicType];
type TopicRequest = Omit<UpOf<'subscribe'>, 'ref' | 'type' | 'since'> & { readonly topic: TopicType };

/** Messages that may overtake the reply which tells their key. */
const MAX_EARLY = 64;

interface Entry {
  readonly name: string;
  readonly request: TopicRequest;
  readonly live: LiveValue<unknown>;
  show(message: TopicMessage): void;
  key: string | undefined;
  /** Asked, and not answered yet. */
  asking: boolean;
  wanted: boolean;
}

export class TopicFeed {
  /** Looked at now, or asked for. */
  readonly #entries = new Set<Entry>();
  readonly #ask: (request: Omit<UpOf<'subscribe'>, 'ref'>) => Promise<{ key: string }>;
  readonly #changed: () => void;
  #early: TopicMessage[] = [];
  #control: Up[] = [];

  /** @param changed there is something to be sent */
  constructor(ask: (request: Omit<UpOf<'subscribe'>, 'ref'>) => Promise<{ key: string }>, changed: () => void) {
    this.#ask = ask;
    this.#changed = changed;
  }

  /** Topics that are looked at now. */
  get size(): number {
    let size = 0;
    for (const entry of this.#entries) if (entry.wanted) size += 1;
    return size;
  }

  /** The live value of a topic: the same one for the same question while it is looked at. */
  live<M extends TopicMessage, T>(
    request: TopicRequest & { readonly topic: M['type'] },
    show: (before: T | undefined, message: M) => T | undefined,
  ): LiveValue<T> {
    const name = JSON.stringify(request);
    for (const entry of this.#entries) if (entry.name === name) return entry.live as LiveValue<T>;
    const live = new LiveValue<T>({ start: () => this.#start(entry), stop: () => this.#stop(entry) });
    const entry: Entry = {
      name,
      request,
      live: live as LiveValue<unknown>,
      show: (message) => {
        // What was shown before a snapshot is replaced by it as a whole, by the reducer's own rule.
        const value = show(live.value, message as M);
        if (value !== undefined) live.show(value);
      },
      key: undefined,
      asking: false,
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
      if (entry.wanted) entry.show(message);
    }
    if (!known && this.#early.length < MAX_EARLY && this.#isAsking) this.#early.push(message);
    return true;
  }

  /** A new session: everything that is looked at is subscribed again. What was asked and not answered, `Requests` repeats. */
  resume(): void {
    this.#early = [];
    this.#control = [];
    for (const entry of this.#entries) {
      entry.key = undefined;
      if (entry.wanted && !entry.asking) this.#subscribe(entry);
    }
  }

  lost(): void {
    this.#early = [];
    for (const entry of this.#entries) {
      entry.key = undefined;
      if (entry.wanted) entry.live.age();
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

  get #isAsking(): boolean {
    for (const entry of this.#entries) if (entry.asking) return true;
    return false;
  }

  #start(entry: Entry): void {
    entry.wanted = true;
    this.#entries.add(entry);
    if (!entry.asking) this.#subscribe(entry);
  }

  #subscribe(entry: Entry): void {
    entry.asking = true;
    this.#ask({ type: 'subscribe', ...entry.request }).then(
      ({ key }) => {
        entry.asking = false;
        entry.key = key;
        if (!entry.wanted) this.#end(entry);
        for (const message of this.#early) if (message.key === key && entry.wanted) entry.show(message);
        if (!this.#isAsking) this.#early = [];
      },
      (error: Error) => {
        entry.asking = false;
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
    if (!entry.asking) this.#end(entry);
  }

  /** Two questions may come to the same key: the last one ends the subscription. */
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
  const { type } = message;
  return (
    type === 'overview' ||
    type === 'workers' ||
    type === 'worker' ||
    type === 'tasks' ||
    type === 'join' ||
    type === 'recent'
  );
}
