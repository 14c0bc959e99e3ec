/**
 * One direction of a connection on virtual time: first in, first out; a message takes latency + bytes / rate. While its
 * line is blocked nothing arrives, and nothing is lost.
 */
import type { EventQueue } from './event-queue.js';

/** The line of one machine, which all its connections share one after the other. */
export interface Line {
  readonly bytesPerMs: number;
  readonly latencyMs: number;
  /** Until when nothing passes; Infinity once the machine is gone. */
  blockedUntilMs: number;
}

export class Pipe<T> {
  readonly #queue: EventQueue;
  readonly #line: Line;
  readonly #deliver: (item: T) => void;
  readonly #items: { item: T; atMs: number }[] = [];
  #freeAtMs = 0;
  #isCut = false;

  constructor(queue: EventQueue, line: Line, deliver: (item: T) => void) {
    this.#queue = queue;
    this.#line = line;
    this.#deliver = deliver;
  }

  get isEmpty(): boolean {
    return this.#items.length === 0;
  }

  send(item: T, bytes: number): void {
    if (this.#isCut) return;
    const { bytesPerMs, latencyMs } = this.#line;
    this.#freeAtMs = Math.max(this.#freeAtMs, this.#queue.nowMs) + bytes / bytesPerMs;
    this.#items.push({ item, atMs: this.#freeAtMs + latencyMs });
    if (this.#items.length === 1) this.#queue.at(this.#freeAtMs + latencyMs, this.#pump);
  }

  /** What has not arrived never will. */
  cut(): void {
    this.#isCut = true;
    this.#items.length = 0;
  }

  readonly #pump = (): void => {
    const first = this.#items[0];
    if (!first) return;
    const { blockedUntilMs } = this.#line;
    if (blockedUntilMs > this.#queue.nowMs) {
      if (blockedUntilMs !== Number.POSITIVE_INFINITY) this.#queue.at(blockedUntilMs, this.#pump);
      return;
    }
    this.#items.shift();
    const next = this.#items[0];
    if (next) this.#queue.at(next.atMs, this.#pump);
    this.#deliver(first.item);
  };
}
