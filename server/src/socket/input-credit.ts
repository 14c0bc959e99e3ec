/**
 * Input credit (feature `credit`): what each session may have sent in all, in messages and bytes of credited types. A
 * grant is what turns have taken plus a window, so what waits for a session is never more than the window; it is renewed
 * with the commit that used half of it up.
 */
import type { DownOf } from '@rma/protocol/down';
import type { Flow, Taken } from '../runtime/input-queue.js';

/** In bytes half of what a session's queue holds: a peer that keeps to it is cut only where all queues are over their bound. */
export const CREDIT_WINDOW: Readonly<Taken> = { messages: 1_024, bytes: 2 * 1_048_576 };

type Grant = (session: number, credit: DownOf<'credit'>) => void;

interface Account {
  /** Since the session began. */
  readonly taken: Taken;
  /** What the last grant was made of. */
  granted: Taken;
}

export class InputCredit {
  readonly #accounts = new Map<number, Account>();

  get size(): number {
    return this.#accounts.size;
  }

  /** The grant of its `welcome`. */
  open(session: number): Taken {
    this.#accounts.set(session, { taken: { messages: 0, bytes: 0 }, granted: { messages: 0, bytes: 0 } });
    return { ...CREDIT_WINDOW };
  }

  closed(session: number): void {
    this.#accounts.delete(session);
  }

  /** Counts what a turn took, and grants anew to each session that has used up half of its window. */
  took(taken: ReadonlyMap<Flow, Taken>, grant: Grant): void {
    for (const [flow, its] of taken) if (typeof flow === 'number') this.count(flow, its, grant);
  }

  /** Counts what was taken of one session, or was refused before it waited for a turn. */
  count(session: number, { messages, bytes }: Taken, grant: Grant): void {
    const account = this.#accounts.get(session);
    if (!account) return;
    const { taken, granted } = account;
    taken.messages += messages;
    taken.bytes += bytes;
    const isLow =
      (taken.messages - granted.messages) * 2 >= CREDIT_WINDOW.messages ||
      (taken.bytes - granted.bytes) * 2 >= CREDIT_WINDOW.bytes;
    if (!isLow) return;
    account.granted = { ...taken };
    grant(session, {
      type: 'credit',
      messages: taken.messages + CREDIT_WINDOW.messages,
      bytes: taken.bytes + CREDIT_WINDOW.bytes,
    });
  }
}
