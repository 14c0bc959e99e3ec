/**
 * A live value: the state of a topic, kept up to date across reconnects. It subscribes with the first listener and
 * unsubscribes with the last. Its `subscribe` is that of a Svelte store.
 */
import { AsyncQueue } from '../async-queue.js';

/**
 * idle: no listeners. waiting: the first snapshot has not come. live: `value` is current. stale: the connection is lost;
 * `value` is the last known one until a reconnect renews it. failed: `error` says why; subscribe again to retry.
 */
export type LiveStatus = 'idle' | 'waiting' | 'live' | 'stale' | 'failed';

/**
 * The state of a topic as it changes; updated about four times a second at most, whatever the rate of events.
 *
 * ```ts
 * const overview = client.liveOverview();
 * const leave = overview.subscribe((value) => console.log(value?.now.tasks.queued));
 * for await (const { now } of overview) console.log(now.workers.online);
 * ```
 */
export interface Live<T> extends AsyncIterable<T> {
  /** The newest; undefined before the first snapshot. A new object with every change. */
  readonly value: T | undefined;
  readonly status: LiveStatus;
  readonly error: Error | undefined;
  /**
   * Calls `listener` now and with every change of `value` or `status`, until the returned function is called. The first
   * listener subscribes at the coordinator, the last one to leave unsubscribes.
   */
  subscribe(listener: (value: T | undefined, live: Live<T>) => void): () => void;
}

/** Starts and stops the subscription behind a live value. */
export interface LiveSource {
  start(): void;
  stop(): void;
}

export class LiveValue<T> implements Live<T> {
  value: T | undefined;
  status: LiveStatus = 'idle';
  error: Error | undefined;
  readonly #source: LiveSource;
  readonly #listeners = new Set<(value: T | undefined, live: Live<T>) => void>();

  constructor(source: LiveSource) {
    this.#source = source;
  }

  subscribe(listener: (value: T | undefined, live: Live<T>) => void): () => void {
    // A set holds a function once: the same one may be subscribed twice.
    const own = (value: T | undefined, live: Live<T>) => listener(value, live);
    this.#listeners.add(own);
    if (this.#listeners.size === 1 || this.status === 'failed') this.#begin();
    own(this.value, this);
    return () => {
      if (!this.#listeners.delete(own) || this.#listeners.size > 0) return;
      if (this.status !== 'failed') this.#source.stop();
      this.status = 'idle';
      this.error = undefined;
    };
  }

  /** Each value at most once; a slow reader gets the newest alone. Throws where the topic fails. */
  [Symbol.asyncIterator](): AsyncIterator<T> {
    let leave: (() => void) | undefined;
    const queue = new AsyncQueue<T>({ onDone: () => leave?.() });
    leave = this.subscribe((value) => {
      if (this.status === 'failed') queue.end(this.error);
      else if (value !== undefined && this.status === 'live' && !queue.replaceLast(() => true, value))
        queue.push(value);
    });
    return queue;
  }

  /** After a snapshot or a change. */
  set(value: T): void {
    this.value = value;
    this.status = 'live';
    this.#notify();
  }

  /** The connection is lost: `value` may be out of date. */
  markStale(): void {
    if (this.status !== 'live') return;
    this.status = 'stale';
    this.#notify();
  }

  fail(error: Error): void {
    this.status = 'failed';
    this.error = error;
    this.#notify();
  }

  #begin(): void {
    this.status = this.value === undefined ? 'waiting' : 'stale';
    this.error = undefined;
    this.#source.start();
  }

  #notify(): void {
    for (const listener of [...this.#listeners]) listener(this.value, this);
  }
}
