/** Virtual time: what is to happen, earliest first; at the same time in the order in which it was scheduled. */
import { Heap } from '@rma/server/core/matching/heap';

interface Event {
  readonly atMs: number;
  readonly order: number;
  readonly run: () => void;
}

const isBefore = (a: Event, b: Event): boolean => a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order);

export class EventQueue {
  nowMs = 1_000;
  readonly #heap = new Heap<Event>(isBefore);
  #scheduled = 0;

  after(ms: number, run: () => void): void {
    this.at(this.nowMs + ms, run);
  }

  /** A time that is past means now. */
  at(atMs: number, run: () => void): void {
    this.#heap.push({ atMs: Math.max(atMs, this.nowMs), order: this.#scheduled++, run });
  }

  /** Runs the earliest event at its time; false where there is none. */
  runNext(): boolean {
    const first = this.#heap.pop();
    if (!first) return false;
    this.nowMs = first.atMs;
    first.run();
    return true;
  }
}
