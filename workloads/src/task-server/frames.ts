/**
 * The response body of a task server: frames, each a 4-byte big-endian length and a MessagePack map. The last one is
 * `output` or `error`; a body that ends without either was cut off.
 */
import { packPayload, unpackPayload } from '@rma/protocol/payload';
import type { Failure } from '../runtime.js';

export type Frame =
  | { readonly type: 'progress'; readonly fraction: number; readonly note?: string }
  | { readonly type: 'chunk'; readonly value: unknown }
  | { readonly type: 'output'; readonly output: unknown }
  | { readonly type: 'error'; readonly error: Failure };

/** The response's content type. */
export const FRAMES_TYPE = 'application/vnd.rma.task-frames';
/** The largest frame that `FrameReader` takes. */
export const MAX_FRAME_BYTES = 256 * 1_048_576;

const LENGTH_BYTES = 4;

/** @throws ProtocolError for a value that MessagePack lacks */
export function encodeFrame(frame: Frame): Uint8Array {
  const payload = packPayload(frame);
  const bytes = new Uint8Array(LENGTH_BYTES + payload.length);
  new DataView(bytes.buffer).setUint32(0, payload.length);
  bytes.set(payload, LENGTH_BYTES);
  return bytes;
}

/** Reassembles frames from the parts in which they arrive. */
export class FrameReader {
  #parts: Uint8Array[] = [];
  #held = 0;

  /** The frames that this part completes. @throws Error for one above `MAX_FRAME_BYTES` or of an unknown type */
  push(part: Uint8Array): Frame[] {
    this.#parts.push(part);
    this.#held += part.length;
    const frames: Frame[] = [];
    for (let length = this.#length(); length !== undefined; length = this.#length()) {
      const whole = this.#join();
      frames.push(asFrame(unpackPayload(whole.slice(LENGTH_BYTES, LENGTH_BYTES + length))));
      this.#parts = [whole.subarray(LENGTH_BYTES + length)];
      this.#held = whole.length - LENGTH_BYTES - length;
    }
    return frames;
  }

  /** Length of the first frame, once the whole frame has arrived. */
  #length(): number | undefined {
    if (this.#held < LENGTH_BYTES) return undefined;
    if ((this.#parts[0]?.length ?? 0) < LENGTH_BYTES) this.#parts = [this.#join()];
    const first = this.#parts[0] as Uint8Array;
    const length = new DataView(first.buffer, first.byteOffset, LENGTH_BYTES).getUint32(0);
    if (length > MAX_FRAME_BYTES)
      throw new Error(`a frame of ${length} bytes is above the limit of ${MAX_FRAME_BYTES}`);
    return this.#held < LENGTH_BYTES + length ? undefined : length;
  }

  #join(): Uint8Array {
    return this.#parts.length === 1 ? (this.#parts[0] as Uint8Array) : new Uint8Array(Buffer.concat(this.#parts));
  }
}

function asFrame(value: unknown): Frame {
  const type = typeof value === 'object' && value !== null ? (value as { type?: unknown }).type : undefined;
  if (type === 'progress' || type === 'chunk' || type === 'output' || type === 'error') return value as Frame;
  throw new Error(`a frame of the type ${String(type)} is none of a task server's`);
}
