/**
 * The coordinator's clock, which all times in the pool refer to; this machine's clock may be wrong by hours. Ticks once
 * a second while somebody reads it.
 */
import { createSubscriber } from 'svelte/reactivity';

class Clock {
  /** Coordinator time − local time, ms. */
  #offsetMs = 0;
  readonly #subscribe = createSubscriber((update) => {
    const timer = setInterval(update, 1_000);
    return () => clearInterval(timer);
  });

  /** Takes the coordinator's current time, from a message. */
  sync(atMs: number): void {
    const offsetMs = atMs - Date.now();
    // Differences below this are network delay.
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

  /** Whether this machine's clock is so wrong that the user should know. */
  get isOff(): boolean {
    return Math.abs(this.#offsetMs) > 60_000;
  }

  get offsetMs(): number {
    return this.#offsetMs;
  }
}

export const clock = new Clock();
