/** What the attempts have to send, gathered until the shell takes it, once a turn. Pure. */
import type { AttemptRef, Chunk } from '@rma/protocol/task';
import type { Attempt } from './attempt.js';

export interface Progress extends AttemptRef {
  readonly fraction: number;
  readonly note?: string;
}

/** What one turn has to send, in this order. Results in `fresh` and `held` go to the outbox first. */
export interface Outgoing {
  readonly chunks: readonly Chunk[];
  readonly progress: readonly Progress[];
  readonly fresh: readonly Attempt[];
  /** As `fresh`, but not to be sent yet. */
  readonly held: readonly Attempt[];
  readonly again: readonly Attempt[];
}

export class OutgoingQueue {
  chunks: Chunk[] = [];
  readonly progress = new Map<Attempt, Progress>();
  fresh: Attempt[] = [];
  held: Attempt[] = [];
  again: Attempt[] = [];

  /** The session ended: what was to be sent is told in the next `hello` instead. Results stay: they go to the outbox. */
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
