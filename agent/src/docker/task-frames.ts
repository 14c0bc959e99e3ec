/**
 * Parses the response of a task server (api `rma`): frames of a 4-byte big-endian length and a MessagePack map, any number of
 * progress and chunk, then one output or one error. Pure.
 */
import { unpackPayload } from '@rma/protocol/payload';
import type { Failure } from '@rma/workloads/runtime';

/** Above the largest output. */
const MAX_FRAME_BYTES = 256 * 1_048_576;

export type TaskFrame =
  | { readonly type: 'progress'; readonly fraction: number; readonly note?: string }
  | { readonly type: 'chunk'; readonly value: unknown }
  | { readonly type: 'output'; readonly output: unknown }
  | { readonly type: 'error'; readonly error: Failure };

export class TaskFrames {
  #pieces: Buffer[] = [];
  #bytes = 0;

  /** Adds bytes; answers the frames that are complete. @throws Error for anything else */
  take(piece: Buffer): TaskFrame[] {
    this.#pieces.push(piece);
    this.#bytes += piece.length;
    const frames: TaskFrame[] = [];
    for (;;) {
      if (this.#bytes < 4) return frames;
      const head = this.#pieces[0] ?? Buffer.alloc(0);
      const all = head.length >= 4 ? head : this.#joined();
      const length = all.readUInt32BE(0);
      if (length > MAX_FRAME_BYTES) throw new Error(`a frame of ${length} bytes is larger than ${MAX_FRAME_BYTES}`);
      if (this.#bytes < 4 + length) return frames;
      const whole = this.#joined();
      frames.push(frameOf(unpackPayload(whole.subarray(4, 4 + length))));
      this.#pieces = [whole.subarray(4 + length)];
      this.#bytes -= 4 + length;
    }
  }

  #joined(): Buffer {
    const whole = this.#pieces.length === 1 ? (this.#pieces[0] ?? Buffer.alloc(0)) : Buffer.concat(this.#pieces);
    this.#pieces = [whole];
    return whole;
  }
}

function frameOf(value: unknown): TaskFrame {
  const map = (typeof value === 'object' && value !== null ? value : {}) as Record<string, unknown>;
  switch (map.type) {
    case 'progress':
      if (typeof map.fraction !== 'number') break;
      return { type: 'progress', fraction: map.fraction, ...(typeof map.note === 'string' ? { note: map.note } : {}) };
    case 'chunk':
      return { type: 'chunk', value: map.value };
    case 'output':
      return { type: 'output', output: map.output ?? null };
    case 'error': {
      const error = (map.error ?? {}) as Record<string, unknown>;
      const code = typeof error.code === 'string' ? error.code : 'service.error';
      const message = typeof error.message === 'string' ? error.message : 'the service did not say why';
      return { type: 'error', error: { code, message, retryable: error.retryable === true } };
    }
  }
  throw new Error(`a frame of type ${String(map.type)} is not understood`);
}
