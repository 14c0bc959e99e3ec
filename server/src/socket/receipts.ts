/**
 * Acknowledgements of results wait briefly for another message to the same worker, most often its next dispatch: waking
 * a worker for an acknowledgement alone costs more than all else about a task.
 */
import type { AttemptRef } from '@rma/protocol/task';
import { holdsOnly, makeOutgoing, type Outgoing } from '../core/effects.js';

/** How long an acknowledgement waits at most. */
const MAX_WAIT_MS = 3;

export class Receipts {
  readonly #waiting = new Map<number, AttemptRef[]>();
  readonly #send: (session: number, outgoing: Outgoing) => void;
  #timer: NodeJS.Timeout | undefined;

  /** @param send sends what has waited long enough */
  constructor(send: (session: number, outgoing: Outgoing) => void) {
    this.#send = send;
  }

  /** @returns what is to be sent now, with what waited for it; undefined where it waits itself */
  pass(session: number, outgoing: Outgoing): Outgoing | undefined {
    const kept = this.#waiting.get(session);
    if (holdsOnly(outgoing, 'acknowledgedResults')) {
      if (kept) kept.push(...outgoing.acknowledgedResults);
      else this.#waiting.set(session, [...outgoing.acknowledgedResults]);
      this.#timer ??= setTimeout(() => this.flush(), MAX_WAIT_MS);
      return undefined;
    }
    if (kept) {
      this.#waiting.delete(session);
      outgoing.acknowledgedResults.unshift(...kept);
    }
    return outgoing;
  }

  /** Sends everything that waits. */
  flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    for (const [session, results] of this.#waiting) {
      const outgoing = makeOutgoing();
      outgoing.acknowledgedResults.push(...results);
      this.#send(session, outgoing);
    }
    this.#waiting.clear();
  }

  closed(session: number): void {
    this.#waiting.delete(session);
  }
}
