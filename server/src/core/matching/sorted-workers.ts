/** Workers in the order of their ids, for pages: one is found in O(log n), and a page costs its own length. */
import type { Worker } from '../worker.js';

export class SortedWorkers {
  readonly #workers: Worker[] = [];

  add(worker: Worker): void {
    const at = this.#from(worker.record.id);
    if (this.#workers[at] !== worker) this.#workers.splice(at, 0, worker);
  }

  remove(worker: Worker): void {
    const at = this.#from(worker.record.id);
    if (this.#workers[at] === worker) this.#workers.splice(at, 1);
  }

  /** Those behind an id; '' for all. */
  *after(id: string): Generator<Worker> {
    let at = this.#from(id);
    if (this.#workers[at]?.record.id === id) at++;
    for (; at < this.#workers.length; at++) yield this.#workers[at]!;
  }

  /** The index of the first worker with `record.id >= id`. */
  #from(id: string): number {
    let low = 0;
    let high = this.#workers.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#workers[middle]!.record.id < id) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
