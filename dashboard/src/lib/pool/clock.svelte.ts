/**
 * The coordinator's time, which all times of the pool are in: this machine's own may be off by hours. Ticks once a
 * second while somebody reads it.
 */
import { createSubscriber } from 'svelte/reactivity';

class Clock {
  /** How far this machine is behind the coordinator, ms; negative: ahead. */
  #offsetMs = 0;
  readonly #subscribe = createSubscriber((update) => {
    const timer = setInterval(update, 1_000);
    return () => clearInterval(timer);
  });

  /** The coordinator said what time it is. */
  heard(atMs: number): void {
    const offsetMs = atMs - Date.now();
    // What the way takes is no difference of clocks.
    if (Math.abs(offsetMs - this.#offsetMs) > 2_000) this.#offsetMs = offsetMs;
  }

  /** ms since 1970, reactive to the second. */
  get now(): number {
    this.#subscribe();
    return this.exact();
  }

  /** ms since 1970, now. */
  exact(): number {
    return Date.now() + this.#offsetMs;
  }

  /** Whether this machine's clock is so wrong that a person should know. */
  get isOff(): boolean {
    return Math.abs(this.#offsetMs) > 60_000;
  }

  get offsetMs(): number {
    return this.#offsetMs;
  }
}

export const clock = new Clock();
