/**
 * When queries begin: each asker's in their order, the askers in turn, and only a few in one pass of the event loop, so
 * that turns of the core get between, whoever asks how much. What a query reads from the store waits once more, there.
 */
import { ProtocolError } from '@rma/protocol/error';
import { FairQueue } from '../runtime/fair-queue.js';
import type { Asker, Reader } from '../store/reader.js';

/** Queries that begin in one pass of the event loop; beside them goes at least one turn, if there is anything to do. */
const PER_PASS = 4;
/** Queries that wait at most, of one asker and over all; each holds about 1 KiB. */
const MAX_WAITING_EACH = 256;
const MAX_WAITING = 8_192;

interface Waiting {
  readonly begin: () => void;
  readonly reject: (error: ProtocolError) => void;
}

export class QueryTurns {
  readonly #queue = new FairQueue<Asker, Waiting>();
  readonly #reader: Pick<Reader, 'drop'>;
  #scheduled = false;

  constructor(reader: Pick<Reader, 'drop'>) {
    this.#reader = reader;
  }

  get waiting(): number {
    return this.#queue.size;
  }

  /**
   * Runs `answer` when it is the asker's turn, and answers with what it does.
   * @throws ProtocolError of kind `unavailable` where too many wait, or the asker is dropped before it is its turn
   */
  ask<T>(asker: Asker, answer: () => T | Promise<T>): Promise<T> {
    if (this.#queue.sizeOf(asker) >= MAX_WAITING_EACH || this.#queue.size >= MAX_WAITING) {
      const why = `more than ${MAX_WAITING_EACH} of your queries wait, or ${MAX_WAITING} of all; ask again shortly`;
      return Promise.reject(new ProtocolError('unavailable', why));
    }
    return new Promise((resolve, reject) => {
      const begin = () => {
        try {
          resolve(answer());
        } catch (error) {
          reject(error);
        }
      };
      this.#queue.push(asker, { begin, reject });
      this.#schedule();
    });
  }

  /** The asker has gone: what waits for it is neither begun nor read. */
  drop(asker: Asker): void {
    const gone = new ProtocolError('unavailable', 'who asked this has gone');
    for (const { reject } of this.#queue.drop(asker)) reject(gone);
    this.#reader.drop(asker);
  }

  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      for (let i = 0; i < PER_PASS; i++) this.#queue.shift()?.begin();
      if (this.#queue.size > 0) this.#schedule();
    });
  }
}
