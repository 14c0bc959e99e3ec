/**
 * One reader's view of a task's output chunks: every chunk once, in order, whatever the connection does. A reader that
 * is slower than the task does not fill the memory: above a bound, chunks are left with the coordinator and asked for
 * again once the reader has caught up.
 */
import { unpackPayload } from '@rma/protocol/payload';
import type { Chunk } from '@rma/protocol/task';
import { AsyncQueue } from './async-queue.js';

/** A piece of a task's output while it is made. A higher `attempt` than before means: what came before is void. */
export interface TaskChunk {
  readonly attempt: number;
  /** From 1, without gaps, within the attempt. */
  readonly chunk: number;
  readonly data: unknown;
}

/** The last chunk that was delivered: (0, 0) before the first. */
export interface ChunkPosition {
  readonly attempt: number;
  readonly chunk: number;
}

export const BEFORE_FIRST: ChunkPosition = { attempt: 0, chunk: 0 };
const MAX_BUFFERED_CHUNKS = 2_048;
const MAX_BUFFERED_BYTES = 8 * 1_048_576;

export function isAfter(a: ChunkPosition, b: ChunkPosition): boolean {
  return a.attempt > b.attempt || (a.attempt === b.attempt && a.chunk > b.chunk);
}

export class ChunkFeed {
  readonly queue: AsyncQueue<TaskChunk>;
  position: ChunkPosition = BEFORE_FIRST;
  readonly #replay: (after: ChunkPosition) => void;
  /** Chunks that did not fit were left with the coordinator. */
  #behind = false;
  #bufferedBytes = 0;

  constructor(replay: (after: ChunkPosition) => void, onDone: (feed: ChunkFeed) => void) {
    this.#replay = replay;
    this.queue = new AsyncQueue({ onEmpty: () => this.#emptied(), onDone: () => onDone(this) });
  }

  offer(chunk: Chunk): void {
    if (this.#behind || !isAfter(chunk, this.position)) return;
    const expected = chunk.attempt === this.position.attempt ? this.position.chunk + 1 : 1;
    const isFull = this.queue.size >= MAX_BUFFERED_CHUNKS || this.#bufferedBytes >= MAX_BUFFERED_BYTES;
    if (chunk.chunk !== expected || isFull) {
      this.#behind = true;
      if (this.queue.size === 0) this.#emptied();
      return;
    }
    this.position = { attempt: chunk.attempt, chunk: chunk.chunk };
    this.queue.push({ ...this.position, data: unpackPayload(chunk.data) });
    this.#bufferedBytes = this.queue.size === 0 ? 0 : this.#bufferedBytes + chunk.data.length;
  }

  /** The task ended, or what was asked for again is complete. */
  ended(): void {
    if (!this.#behind) this.queue.end();
  }

  #emptied(): void {
    this.#bufferedBytes = 0;
    if (!this.#behind) return;
    this.#behind = false;
    this.#replay(this.position);
  }
}
