/**
 * Streams: byte channels inside a socket, with credit per stream. A data frame is a binary frame in either
 * subprotocol: 0xC1 (a byte that MessagePack never uses), the stream's number as 32-bit big-endian, the bytes.
 */
import { type Static, Type } from 'typebox';
import { LIMITS } from './limits.js';
import { WireError } from './wire-error.js';

export const StreamId = Type.Integer({
  minimum: 1,
  maximum: 4_294_967_295,
  description: 'chosen by the dialling side, never used twice in a session',
});

export const StreamCredit = Type.Object(
  {
    type: Type.Literal('stream.credit'),
    stream: StreamId,
    bytes: Type.Integer({ minimum: 1, maximum: LIMITS.maxBlobBytes }),
  },
  { description: 'the receiver takes this many more bytes' },
);
export const StreamEnd = Type.Object(
  { type: Type.Literal('stream.end'), stream: StreamId },
  { description: 'all data was sent' },
);
export const StreamAbort = Type.Object(
  { type: Type.Literal('stream.abort'), stream: StreamId, error: WireError },
  { description: 'either side gives the stream up' },
);
export type StreamMessage = Static<typeof StreamCredit> | Static<typeof StreamEnd> | Static<typeof StreamAbort>;

const DATA_MARK = 0xc1;
const HEADER_BYTES = 5;

export function isStreamData(frame: Uint8Array): boolean {
  return frame.length >= HEADER_BYTES && frame[0] === DATA_MARK;
}

export function encodeStreamData(stream: number, bytes: Uint8Array): Uint8Array {
  const frame = new Uint8Array(HEADER_BYTES + bytes.length);
  frame[0] = DATA_MARK;
  new DataView(frame.buffer).setUint32(1, stream);
  frame.set(bytes, HEADER_BYTES);
  return frame;
}

/** The frame's stream, and its bytes as a view into the frame. */
export function decodeStreamData(frame: Uint8Array): { stream: number; bytes: Uint8Array } {
  const stream = new DataView(frame.buffer, frame.byteOffset, frame.byteLength).getUint32(1);
  return { stream, bytes: frame.subarray(HEADER_BYTES) };
}
