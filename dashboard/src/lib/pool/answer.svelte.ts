/** The answer to a query as reactive state; `refresh` repeats the query, at most once a second. */
import { ClosedError } from '@rma/client';

const PAUSE_MS = 1_000;

export class Answer<T> {
  /** The latest answer; undefined before the first. */
  value = $state.raw<T>();
  /** The error of the latest query, if it failed. */
  error = $state.raw<Error>();
  readonly #ask: () => Promise<T>;
  #askedAt = Number.NEGATIVE_INFINITY;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #isAsking = false;
  #isStale = false;

  /** @param ask sends the query */
  constructor(ask: () => Promise<T>) {
    this.#ask = ask;
  }

  /** Call it when the answer may have changed: repeats the query, at most once per PAUSE_MS. */
  refresh(): void {
    if (this.#timer !== undefined) return;
    if (this.#isAsking) {
      this.#isStale = true;
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
    this.#isStale = false;
    this.#askedAt = performance.now();
    try {
      this.value = await this.#ask();
      this.error = undefined;
    } catch (error) {
      if (!(error instanceof ClosedError)) this.error = error instanceof Error ? error : new Error(String(error));
    } finally {
      this.#isAsking = false;
      if (this.#isStale) this.refresh();
    }
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#isStale = false;
  }
}

/** Call it during component initialisation; queries once, and stops with the component. */
export function answer<T>(ask: () => Promise<T>): Answer<T> {
  const state = new Answer(ask);
  $effect(() => {
    void state.now();
    return () => state.stop();
  });
  return state;
}
