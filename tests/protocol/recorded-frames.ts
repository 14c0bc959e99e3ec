/** The recorded frames of fixtures/frames.json: what went over a wire once must be read the same way for ever. */
import { readFileSync } from 'node:fs';
import { packPayload } from '@rma/protocol/payload';

export interface RecordedFrame {
  readonly name: string;
  readonly direction: 'up' | 'down' | 'stream';
  readonly message?: { readonly type: string };
  readonly hex?: string;
  readonly text?: string;
  readonly stream?: number;
  readonly bytes?: string;
}

const path = new URL('./fixtures/frames.json', import.meta.url);

export const recordedFrames: readonly RecordedFrame[] = JSON.parse(readFileSync(path, 'utf8'));

export function bytesOf(frame: RecordedFrame): Uint8Array | string {
  return frame.text ?? Buffer.from(frame.hex ?? '', 'hex');
}

/** The message as the code holds it: `{"$payload": value}` stands for a payload field. */
export function messageOf<T>(frame: RecordedFrame): T {
  return withPayloads(frame.message) as T;
}

function withPayloads(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withPayloads);
  if (typeof value !== 'object' || value === null) return value;
  if ('$payload' in value) return packPayload(value.$payload);
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, withPayloads(item)]));
}

/** Bytes as hexadecimal, so that a Buffer equals the Uint8Array with the same content. */
export function comparable(value: unknown): unknown {
  if (value instanceof Uint8Array) return `bytes:${Buffer.from(value).toString('hex')}`;
  if (Array.isArray(value)) return value.map(comparable);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, comparable(item)]));
}
