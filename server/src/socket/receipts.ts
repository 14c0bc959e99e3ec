/**
 * Receipts of results wait a moment for company: waking a worker only to tell it that a result arrived costs more than all
 * the rest, and the next dispatch tells it too.
 */
import type { AttemptRef } from '@rma/protocol/task';
import { makeOutgoing, type Outgoing } from '../core/effects.js';

/** How long an acknowledged result may wait. */
const WAIT_MS = 3;

export class Receipts {
  readonly #bySession = new Map<number, AttemptRef[]>();
  readonly #tell: (session: number, outgoing: Outgoing) => void;
  #timer: NodeJS.Timeout | undefined;

  /** @param tell sends what has waited long enough */
  constructor(tell: (session: number, outgoing: Outgoing) => void) {
    this.#tell = tell;
  }

  /** @returns what is to leave now, with what waited for it; undefined where it waits itself */
  pass(session: number, outgoing: Outgoing): Outgoing | undefined {
    const kept = this.#bySession.get(session);
    if (isReceipt(outgoing)) {
      if (kept) kept.push(...outgoing.acknowledgedResults);
      else this.#bySession.set(session, [...outgoing.acknowledgedResults]);
      this.#timer ??= setTimeout(() => this.flush(), WAIT_MS);
      return undefined;
    }
    if (kept) {
      this.#bySession.delete(session);
      outgoing.acknowledgedResults.unshift(...kept);
    }
    return outgoing;
  }

  /** Sends all that waits. */
  flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    for (const [session, results] of this.#bySession) {
      const outgoing = makeOutgoing();
      outgoing.acknowledgedResults.push(...results);
      this.#tell(session, outgoing);
    }
    this.#bySession.clear();
  }

  closed(session: number): void {
    this.#bySession.delete(session);
  }
}

/** There is nothing in it but acknowledged results. */
function isReceipt(outgoing: Outgoing): boolean {
  const {
    errors,
    replies,
    accepted,
    refused,
    acknowledgedResults,
    acknowledgedChunks,
    stops,
    dispatches,
    changed,
    chunks,
    ended,
    replays,
  } = outgoing;
  return (
    acknowledgedResults.length > 0 &&
    accepted.length === 0 &&
    dispatches.length === 0 &&
    ended.length === 0 &&
    changed.length === 0 &&
    chunks.length === 0 &&
    acknowledgedChunks.size === 0 &&
    stops.length === 0 &&
    refused.length === 0 &&
    replies.length === 0 &&
    errors.length === 0 &&
    replays.length === 0 &&
    outgoing.assignment === undefined &&
    outgoing.welcome === undefined &&
    outgoing.close === undefined
  );
}
