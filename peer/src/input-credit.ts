/**
 * The input credit of a session (feature `credit`): what the coordinator lets this side send of the credited messages,
 * and what waits for more. Pure. Without the feature nothing waits.
 */
import { CREDITED_TYPES } from '@rma/protocol/credit';
import type { DownOf, Welcome } from '@rma/protocol/down';
import type { Up } from '@rma/protocol/up';

export class InputCredit {
  /** In all since the session began; undefined: no limit. */
  #granted: { messages: number; bytes: number } | undefined;
  #sentMessages = 0;
  #sentBytes = 0;
  /** Credited control messages, in order; batches wait with their host. */
  #held: Up[] = [];

  begun({ credit }: Welcome): void {
    this.#granted = credit;
    this.#sentMessages = 0;
    this.#sentBytes = 0;
    this.#held = [];
  }

  /** The session is over: its host sends again what was not answered. */
  offline(): void {
    this.#held = [];
  }

  granted({ messages, bytes }: DownOf<'credit'>): void {
    this.#granted = { messages, bytes };
  }

  /** Whether another credited message may be sent now; one alone may be larger than what is left. */
  get isOpen(): boolean {
    const granted = this.#granted;
    return granted === undefined || (this.#sentMessages < granted.messages && this.#sentBytes < granted.bytes);
  }

  /** A credited message of so many bytes is sent. */
  sent(bytes: number): void {
    this.#sentMessages++;
    this.#sentBytes += bytes;
  }

  /**
   * The control messages that may leave now, those that waited first, each with whether it is credited: then the caller
   * reports it as `sent`, before it takes the next. What has to wait is kept, in order.
   */
  *pass<T extends Up | Uint8Array>(messages: Iterable<T>): Generator<readonly [Up | T, boolean], void, undefined> {
    while (this.#held.length > 0 && this.isOpen) yield [this.#held.shift()!, true];
    for (const message of messages) {
      if (message instanceof Uint8Array || !CREDITED_TYPES.has(message.type)) yield [message, false];
      else if (this.#held.length === 0 && this.isOpen) yield [message, true];
      else this.#held.push(message);
    }
  }
}
