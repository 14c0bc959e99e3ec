/** A queue with O(1) at both ends: an array and where its head is. Holds at most as many free places as items, or 1,024. */

const MIN_COMPACT = 1_024;

export class Fifo<T> {
  #items: (T | undefined)[] = [];
  #head = 0;

  get size(): number {
    return this.#items.length - this.#head;
  }

  push(item: T): void {
    this.#items.push(item);
  }

  /** The next to be taken; undefined where there is none. */
  peek(): T | undefined {
    return this.#items[this.#head];
  }

  shift(): T | undefined {
    if (this.size === 0) return undefined;
    const item = this.#items[this.#head];
    // What was taken must not be kept alive by the place that it had.
    this.#items[this.#head++] = undefined;
    if (this.size === 0) this.#reset([]);
    else if (this.#head >= MIN_COMPACT && this.#head > this.size) this.#reset(this.#items.slice(this.#head));
    return item;
  }

  /** All that is in it, in order; it is empty then. */
  clear(): T[] {
    const items = this.#items.slice(this.#head) as T[];
    this.#reset([]);
    return items;
  }

  #reset(items: (T | undefined)[]): void {
    this.#items = items;
    this.#head = 0;
  }
}
