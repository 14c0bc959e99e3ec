/**
 * Queries and actions that await a reply, each under its `ref`. After a reconnect they are sent again, except actions
 * that are not idempotent: those reject, because it is unknown whether they were carried out. No I/O.
 */
import { ProtocolError } from '@rma/protocol/error';
import type { Asking, ReplyTo, Request } from '@rma/protocol/reply';
import type { Up } from '@rma/protocol/up';

interface Pending {
  readonly message: Asking;
  readonly resolve: (result: unknown) => void;
  readonly reject: (error: Error) => void;
  isSent: boolean;
}

/** Actions that are not idempotent, with the error where the reply was lost. */
const ONCE: Readonly<Record<string, string>> = {
  'token.create':
    'the connection was lost before the reply came: the token may exist. Look at the list of tokens, then try again',
  'task.retry':
    'the connection was lost before the reply came: the task may have been submitted again. Look at the newest tasks, then try again',
};

export class Requests {
  readonly #pending = new Map<number, Pending>();
  #unsent: Pending[] = [];
  #nextRef = 1;

  get size(): number {
    return this.#pending.size;
  }

  ask<R extends Request>(request: R): Promise<ReplyTo<R>> {
    return new Promise((resolve, reject) => {
      const message = { ...request, ref: this.#nextRef } as unknown as Asking;
      this.#nextRef = this.#nextRef >= 4_294_967_295 ? 1 : this.#nextRef + 1;
      // The protocol's table of replies says what a coordinator answers: the only place that trusts it.
      const pending = { message, resolve: resolve as (result: unknown) => void, reject, isSent: false };
      this.#pending.set(message.ref, pending);
      this.#unsent.push(pending);
    });
  }

  replied(ref: number, result: unknown): void {
    const pending = this.#pending.get(ref);
    this.#pending.delete(ref);
    pending?.resolve(result);
  }

  /** The request of this number failed. */
  refused(ref: number, error: ProtocolError): void {
    const pending = this.#pending.get(ref);
    this.#pending.delete(ref);
    pending?.reject(error);
  }

  lost(): void {
    this.#unsent = [];
    for (const [ref, pending] of this.#pending) {
      const { message, isSent } = pending;
      const text = isSent && message.type === 'act' ? ONCE[message.action.do] : undefined;
      if (text !== undefined) {
        this.#pending.delete(ref);
        pending.reject(new ProtocolError('unavailable', text));
      } else {
        pending.isSent = false;
        this.#unsent.push(pending);
      }
    }
  }

  failed(error: Error): void {
    const all = [...this.#pending.values()];
    this.#pending.clear();
    this.#unsent = [];
    for (const pending of all) pending.reject(error);
  }

  take(): Up[] {
    if (this.#unsent.length === 0) return [];
    const messages = this.#unsent.map((pending) => {
      pending.isSent = true;
      return pending.message;
    });
    this.#unsent = [];
    return messages;
  }
}
