/** A queue for each key, one item taken from each in turn: who has 300 waiting delays another's first by one. */
import { Fifo } from './fifo.js';

export class FairQueue<K, T> {
  readonly #queues = new Map<K, Fifo<T>>();
  /** The next key first. Invariant: each key of `#queues` is in it once, and has an item. */
  readonly #ring = new Fifo<K>();
  #size = 0;

  get size(): number {
    return this.#size;
  }

  sizeOf(key: K): number {
    return this.#queues.get(key)?.size ?? 0;
  }

  push(key: K, item: T): void {
    let queue = this.#queues.get(key);
    if (!queue) {
      queue = new Fifo();
      this.#queues.set(key, queue);
      this.#ring.push(key);
    }
    queue.push(item);
    this.#size++;
  }

  shift(): T | undefined {
    const key = this.#ring.shift();
    const queue = key === undefined ? undefined : this.#queues.get(key);
    if (key === undefined || !queue) return undefined;
    const item = queue.shift();
    this.#size--;
    if (queue.size > 0) this.#ring.push(key);
    else this.#queues.delete(key);
    return item;
  }

  /** Removes a key's items and answers them. */
  drop(key: K): T[] {
    const items = this.#queues.get(key)?.clear() ?? [];
    if (items.length === 0) return [];
    this.#queues.delete(key);
    this.#size -= items.length;
    for (const other of this.#ring.clear()) if (other !== key) this.#ring.push(other);
    return items;
  }

  /** Removes everything and answers it. */
  clear(): T[] {
    const items = [...this.#queues.values()].flatMap((queue) => queue.clear());
    this.#queues.clear();
    this.#ring.clear();
    this.#size = 0;
    return items;
  }
}
