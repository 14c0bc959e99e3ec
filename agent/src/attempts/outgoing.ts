/** What the attempts have to send, collected until the flush of the tick takes it. Pure. */
import type { AttemptRef, AttemptResult, Chunk } from '@rma/protocol/task';
import type { Attempt } from './attempt.js';

export interface Progress extends AttemptRef {
  readonly fraction: number;
  readonly note?: string;
}

/** What one flush has to send, in this order. Results in `fresh` and `held` go to the outbox first. */
export interface Outgoing {
  readonly chunks: readonly Chunk[];
  readonly progress: readonly Progress[];
  readonly fresh: readonly Attempt[];
  /** As `fresh`, but not to be sent before their blobs are uploaded. */
  readonly held: readonly Attempt[];
  readonly again: readonly Attempt[];
}

export class OutgoingQueue {
  chunks: Chunk[] = [];
  readonly progress = new Map<Attempt, Progress>();
  fresh: Attempt[] = [];
  held: Attempt[] = [];
  again: Attempt[] = [];

  /** The session ended: the next `hello` reports what was to be sent. New results stay, because they go to the outbox. */
  offline(): void {
    this.chunks = [];
    this.progress.clear();
    this.again = [];
  }

  take(): Outgoing {
    const progress = this.progress.size === 0 ? [] : [...this.progress.values()];
    const out = { chunks: this.chunks, progress, fresh: this.fresh, held: this.held, again: this.again };
    this.chunks = [];
    this.progress.clear();
    this.fresh = [];
    this.held = [];
    this.again = [];
    return out;
  }
}

/** The result of an attempt that has one. */
export function finishedResult(attempt: Attempt): AttemptResult {
  if (attempt.state.name !== 'finished') throw new Error(`attempt ${attempt.key} has no result`);
  return attempt.state.result;
}
