/** A queue that is read by `for await`. Its writer bounds the buffer: it sees `size` and is notified when it is empty. */

interface QueueHooks {
  /** The reader took the last item that was there. */
  onEmpty?(): void;
  /** The reader is gone, or the queue ended and was read to its end: once. */
  onDone?(): void;
}

type Waiting<T> = { resolve(result: IteratorResult<T>): void; reject(error: unknown): void };

export class AsyncQueue<T> implements AsyncIterableIterator<T> {
  #items: T[] = [];
  #head = 0;
  #waiting: Waiting<T>[] = [];
  #ended: { readonly error?: Error } | undefined;
  #done = false;
  readonly #hooks: QueueHooks;

  constructor(hooks: QueueHooks = {}) {
    this.#hooks = hooks;
  }

  get size(): number {
    return this.#items.length - this.#head;
  }

  /** Ignored after the end. */
  push(item: T): void {
    if (this.#ended || this.#done) return;
    const waiting = this.#waiting.shift();
    if (!waiting) {
      this.#items.push(item);
      return;
    }
    waiting.resolve({ value: item, done: false });
  }

  /** Replaces the newest item that has not been read; false where there is none. */
  replaceLast(matches: (item: T) => boolean, item: T): boolean {
    const last = this.#items.at(-1);
    if (this.size === 0 || last === undefined || !matches(last)) return false;
    this.#items[this.#items.length - 1] = item;
    return true;
  }

  /** The reader gets what is buffered, then the end (or the error, once). */
  end(error?: Error): void {
    if (this.#ended || this.#done) return;
    this.#ended = error ? { error } : {};
    if (this.#waiting.length > 0) this.#finish();
  }

  next(): Promise<IteratorResult<T>> {
    if (this.size > 0) {
      const value = this.#items[this.#head] as T;
      this.#head += 1;
      if (this.size === 0 || this.#head >= 1_024) {
        this.#items = this.#items.slice(this.#head);
        this.#head = 0;
      }
      if (this.size === 0 && !this.#ended) this.#hooks.onEmpty?.();
      return Promise.resolve({ value, done: false });
    }
    if (this.#ended && !this.#done) {
      const { error } = this.#ended;
      this.#finish();
      if (error) return Promise.reject(error);
    }
    if (this.#done) return Promise.resolve({ value: undefined, done: true });
    return new Promise((resolve, reject) => {
      this.#waiting.push({ resolve, reject });
    });
  }

  /** The reader left the loop. */
  return(): Promise<IteratorResult<T>> {
    this.#items = [];
    this.#head = 0;
    this.#ended = {};
    this.#finish();
    return Promise.resolve({ value: undefined, done: true });
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  #finish(): void {
    if (this.#done) return;
    this.#done = true;
    const error = this.#ended?.error;
    const [first, ...others] = this.#waiting;
    this.#waiting = [];
    if (first && error) first.reject(error);
    else first?.resolve({ value: undefined, done: true });
    for (const waiting of others) waiting.resolve({ value: undefined, done: true });
    this.#hooks.onDone?.();
  }
}
