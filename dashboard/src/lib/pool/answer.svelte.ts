/** The answer to a query as reactive state, asked for again when something tells of a change: at most once a second. */
import { ClosedError } from '@rma/client';

const PAUSE_MS = 1_000;

export class Answer<T> {
  /** The newest; undefined before the first. */
  value = $state.raw<T>();
  /** Why the newest attempt failed. */
  error = $state.raw<Error>();
  readonly #ask: () => Promise<T>;
  #askedAt = Number.NEGATIVE_INFINITY;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #isAsking = false;
  #isDue = false;

  /** @param ask once, and at every `again` */
  constructor(ask: () => Promise<T>) {
    this.#ask = ask;
  }

  /** The answer may have become another one. */
  again(): void {
    if (this.#timer !== undefined) return;
    if (this.#isAsking) {
      this.#isDue = true;
      return;
    }
    const waitMs = Math.max(0, this.#askedAt + PAUSE_MS - performance.now());
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      void this.now();
    }, waitMs);
  }

  async now(): Promise<void> {
    this.stop();
    this.#isAsking = true;
    this.#isDue = false;
    this.#askedAt = performance.now();
    try {
      this.value = await this.#ask();
      this.error = undefined;
    } catch (error) {
      if (!(error instanceof ClosedError)) this.error = error instanceof Error ? error : new Error(String(error));
    } finally {
      this.#isAsking = false;
      if (this.#isDue) this.again();
    }
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#isDue = false;
  }
}

/** Asks when the component that calls this is set up, and stops with it. */
export function answer<T>(ask: () => Promise<T>): Answer<T> {
  const kept = new Answer(ask);
  $effect(() => {
    void kept.now();
    return () => kept.stop();
  });
  return kept;
}
