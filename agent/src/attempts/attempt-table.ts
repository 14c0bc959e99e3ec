/**
 * The attempts that this worker knows, by task and number: those that run and those whose result is not acknowledged.
 * Invariant: unfinished = |{a : a.state.name != 'finished'}|. Pure.
 */
import type { AttemptRef, AttemptResult, Chunk } from '@rma/protocol/task';
import type { RunningAttempt } from '@rma/protocol/worker';
import { type Attempt, keyOf, newAttempt } from './attempt.js';

export class AttemptTable {
  readonly #all = new Map<string, Attempt>();
  #unfinished = 0;

  /** Attempts that have not ended. */
  get unfinished(): number {
    return this.#unfinished;
  }

  /** Results that are not acknowledged. */
  get unacknowledged(): number {
    return this.#all.size - this.#unfinished;
  }

  /** A copy, because entries may come and go while it is iterated. */
  list(): Attempt[] {
    return [...this.#all.values()];
  }

  find(ref: AttemptRef): Attempt | undefined {
    return this.#all.get(keyOf(ref));
  }

  has(attempt: Attempt): boolean {
    return this.#all.get(attempt.key) === attempt;
  }

  /** Adds one that has not ended. */
  open(attempt: Attempt): void {
    this.#all.set(attempt.key, attempt);
    this.#unfinished += 1;
  }

  /** One that was open has its result now. */
  finished(): void {
    this.#unfinished -= 1;
  }

  /** @returns whether it was there */
  remove(attempt: Attempt): boolean {
    if (!this.#all.delete(attempt.key)) return false;
    if (attempt.state.name !== 'finished') this.#unfinished -= 1;
    return true;
  }

  /** Adds what the outbox held when the agent started. */
  restore(results: readonly AttemptResult[], chunks: readonly Chunk[]): void {
    for (const result of results) {
      const attempt = newAttempt(result, undefined, 0);
      attempt.state = { name: 'finished', result, missing: new Set(result.blobs) };
      this.#all.set(attempt.key, attempt);
    }
    for (const chunk of chunks) {
      const attempt = this.find(chunk);
      if (attempt === undefined || chunk.chunk <= attempt.lastChunk) continue;
      attempt.chunks.push(chunk);
      attempt.lastChunk = chunk.chunk;
    }
  }

  /** The lists of `hello`: what is reconciled. Attempts that are being stopped still take their slots. */
  lists(): { running: RunningAttempt[]; finished: AttemptRef[] } {
    const running: RunningAttempt[] = [];
    const finished: AttemptRef[] = [];
    for (const { task, attempt, state, served } of this.#all.values()) {
      if (state.name === 'finished') finished.push({ task, attempt });
      else running.push({ task, attempt, ...(served ? { service: served.status.name } : {}) });
    }
    return { running, finished };
  }

  /** Unacknowledged results, for the outbox to write anew. */
  *results(): Iterable<AttemptResult> {
    for (const { state } of this.#all.values()) if (state.name === 'finished') yield state.result;
  }

  /** Chunks that belong to results in the outbox and are not stored at the coordinator. */
  *chunksOfResults(): Iterable<Chunk> {
    for (const attempt of this.#all.values()) if (attempt.state.name === 'finished') yield* attempt.chunks;
  }
}
