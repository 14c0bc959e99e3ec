/**
 * The pool's events as they happen, for any number of readers over one subscription. A reader that is slower than the
 * pool is marked as behind and catches up by queries: no event is lost, and memory stays bounded. No I/O.
 */
import type { PoolEvent } from '@rma/protocol/event';
import type { Up } from '@rma/protocol/up';
import { AsyncQueue } from './async-queue.js';

const MAX_BUFFERED = 4_096;

/** One reader's live end: what happens after it joined, until it overflows. */
export class EventReader {
  readonly queue: AsyncQueue<PoolEvent>;
  /** Every event after this number comes through the queue. */
  readonly from: Promise<number>;
  /** Events were dropped: the queue ended, and the rest is to be had by queries. */
  isBehind = false;

  constructor(from: Promise<number>, onDone: () => void) {
    this.from = from;
    this.queue = new AsyncQueue({ onDone });
  }
}

export class EventFeed {
  readonly #readers = new Set<EventReader>();
  /** Subscribes to the events after `since` (undefined: new ones only); resolves to the newest event's number. */
  readonly #subscribe: (since: number | undefined) => Promise<number>;
  #subscribing: Promise<number> | undefined;
  /** The number of the newest event that came; undefined without a subscription. */
  #last: number | undefined;
  #control: Up[] = [];

  constructor(subscribe: (since: number | undefined) => Promise<number>) {
    this.#subscribe = subscribe;
  }

  get readers(): number {
    return this.#readers.size;
  }

  join(): EventReader {
    const from = this.#last === undefined ? (this.#subscribing ?? this.#ask()) : Promise.resolve(this.#last);
    const reader: EventReader = new EventReader(from, () => this.#leave(reader));
    this.#readers.add(reader);
    return reader;
  }

  events(events: readonly PoolEvent[]): void {
    for (const event of events) {
      // What is under way when the last reader leaves.
      if (this.#readers.size === 0) return;
      if (this.#last !== undefined && event.seq <= this.#last) continue;
      this.#last = event.seq;
      for (const reader of [...this.#readers]) {
        if (reader.queue.size < MAX_BUFFERED) {
          reader.queue.push(event);
          continue;
        }
        reader.isBehind = true;
        this.#leave(reader);
        reader.queue.end();
      }
    }
  }

  /** A new session: goes on after the last event that came. `Requests` repeats a subscribe that was not answered. */
  resume(): void {
    this.#control = [];
    if (this.#readers.size > 0 && !this.#subscribing) void this.#ask();
  }

  failed(error: Error): void {
    const readers = [...this.#readers];
    this.#readers.clear();
    this.#last = undefined;
    for (const reader of readers) reader.queue.end(error);
  }

  take(): Up[] {
    const control = this.#control;
    this.#control = [];
    return control;
  }

  #ask(): Promise<number> {
    const asked = this.#subscribe(this.#last).then(
      (last) => {
        this.#subscribing = undefined;
        if (this.#readers.size > 0) this.#last ??= last;
        return last;
      },
      (error: Error) => {
        this.#subscribing = undefined;
        this.failed(error);
        return 0;
      },
    );
    this.#subscribing = asked;
    return asked;
  }

  #leave(reader: EventReader): void {
    if (!this.#readers.delete(reader) || this.#readers.size > 0) return;
    this.#control.push({ type: 'unsubscribe', topic: 'events' });
    this.#last = undefined;
  }
}
