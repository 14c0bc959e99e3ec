/**
 * Bodies of authenticated requests, read within a bound for each subject: what exceeds it waits in the system's buffers,
 * and in its sender's. So half-sent bodies cost memory only up to the bound, whoever sends how many.
 */
import { ProtocolError } from '@rma/protocol/error';
import { Fifo } from '../runtime/fifo.js';
import type { HttpRequest } from '../socket/transport.js';

/** Announced bytes of the bodies of one subject that are read at once; a larger one is read alone. */
const MAX_READ_BYTES = 16 * 1_048_576;
/** Requests of one subject that wait to be read. */
const MAX_WAITING = 64;

interface Reading {
  bodies: number;
  bytes: number;
  readonly waiting: Fifo<{ readonly bytes: number; readonly begin: () => void }>;
}

export class BodyTurns {
  readonly #readings = new Map<string, Reading>();

  /** Subjects of whom something is being read. */
  get size(): number {
    return this.#readings.size;
  }

  /**
   * The body, once it is its turn.
   * @throws ProtocolError of kind `rate_limited` where too many wait; what `HttpRequest.body` rejects with
   */
  async read(asker: string, request: HttpRequest): Promise<Uint8Array> {
    const bytes = request.announcedBytes;
    const turn = this.#begin(asker, bytes);
    if (turn) await turn;
    try {
      return await request.body();
    } finally {
      this.#end(asker, bytes);
    }
  }

  #begin(asker: string, bytes: number): Promise<void> | undefined {
    let reading = this.#readings.get(asker);
    if (!reading) {
      reading = { bodies: 0, bytes: 0, waiting: new Fifo() };
      this.#readings.set(asker, reading);
    }
    const { waiting } = reading;
    if (waiting.size === 0 && fits(reading, bytes)) {
      begin(reading, bytes);
      return undefined;
    }
    if (waiting.size >= MAX_WAITING) {
      throw new ProtocolError('rate_limited', `${MAX_WAITING} of your requests wait to be read; send it again shortly`);
    }
    return new Promise((resolve) => waiting.push({ bytes, begin: resolve }));
  }

  #end(asker: string, bytes: number): void {
    const reading = this.#readings.get(asker);
    if (!reading) throw new Error('a body that was not begun has ended');
    reading.bodies--;
    reading.bytes -= bytes;
    for (let next = reading.waiting.peek(); next && fits(reading, next.bytes); next = reading.waiting.peek()) {
      reading.waiting.shift();
      begin(reading, next.bytes);
      next.begin();
    }
    if (reading.bodies === 0) this.#readings.delete(asker);
  }
}

function begin(reading: Reading, bytes: number): void {
  reading.bodies++;
  reading.bytes += bytes;
}

function fits({ bodies, bytes: read }: Reading, bytes: number): boolean {
  return bodies === 0 || read + bytes <= MAX_READ_BYTES;
}
