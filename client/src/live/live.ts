/**
 * A live value: what a topic shows, kept right across reconnects. It subscribes when somebody looks and leaves when
 * nobody does any more. Its `subscribe` is that of a Svelte store.
 */
import { AsyncQueue } from '../async-queue.js';

/**
 * idle: nobody looks. waiting: the first snapshot has not come. live: `value` is as of now. stale: the connection is
 * lost; `value` is what was, and mends itself. failed: `error` says why; look again to try again.
 */
export type LiveStatus = 'idle' | 'waiting' | 'live' | 'stale' | 'failed';

/**
 * What a topic shows, as it changes; at most about four times a second, however much happens.
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
   * listener subscribes at the coordinator, the last one to leave ends that.
   */
  subscribe(listener: (value: T | undefined, live: Live<T>) => void): () => void;
}

/** How a live value gets its messages. */
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
    // The same function may listen twice.
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

  /** Each value at most once, the newest where the reader is slow. Throws where the topic fails. */
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

  /** A snapshot or a change came. */
  show(value: T): void {
    this.value = value;
    this.status = 'live';
    this.#tell();
  }

  /** The connection is lost: what is shown may no longer be so. */
  age(): void {
    if (this.status !== 'live') return;
    this.status = 'stale';
    this.#tell();
  }

  fail(error: Error): void {
    this.status = 'failed';
    this.error = error;
    this.#tell();
  }

  #begin(): void {
    this.status = this.value === undefined ? 'waiting' : 'stale';
    this.error = undefined;
    this.#source.start();
  }

  #tell(): void {
    for (const listener of [...this.#listeners]) listener(this.value, this);
  }
}
