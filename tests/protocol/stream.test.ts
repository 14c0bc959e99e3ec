import { decodeUp } from '@rma/protocol/codec';
import { ProtocolError } from '@rma/protocol/error';
import { decodeStreamData, encodeStreamData, isStreamData } from '@rma/protocol/stream';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { bytesOf, recordedFrames } from './recorded-frames.js';

const recorded = recordedFrames.find(({ direction }) => direction === 'stream')!;

describe('a stream data frame', () => {
  it('is 0xC1, the stream as 32-bit big-endian, the bytes', () => {
    const frame = encodeStreamData(0x01020304, new Uint8Array([9, 8]));
    expect(Buffer.from(frame).toString('hex')).toBe('c1010203040908');
  });

  it('is read and written as it was recorded', () => {
    const frame = bytesOf(recorded) as Uint8Array;
    const { stream, bytes } = decodeStreamData(frame);
    expect([stream, Buffer.from(bytes).toString('hex')]).toEqual([recorded.stream, recorded.bytes]);
    expect(Buffer.from(encodeStreamData(stream, bytes)).toString('hex')).toBe(recorded.hex);
  });

  it('comes out as it went in, wherever in a buffer it lies', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 2 ** 32 - 1 }),
        fc.uint8Array({ maxLength: 100 }),
        fc.nat(16),
        (id, data, at) => {
          const room = new Uint8Array(at + 5 + data.length + 3);
          room.set(encodeStreamData(id, data), at);
          const frame = room.subarray(at, at + 5 + data.length);
          expect(isStreamData(frame)).toBe(true);
          const { stream, bytes } = decodeStreamData(frame);
          expect(stream).toBe(id);
          expect(Buffer.from(bytes).equals(data)).toBe(true);
        },
      ),
    );
  });

  it('may be empty, but not without its header', () => {
    expect(isStreamData(encodeStreamData(1, new Uint8Array()))).toBe(true);
    expect(isStreamData(new Uint8Array([0xc1, 0, 0, 1]))).toBe(false);
    expect(isStreamData(new Uint8Array())).toBe(false);
  });

  it('is never taken for a message, nor a message for it', () => {
    expect(() => decodeUp(encodeStreamData(1, new Uint8Array([1])))).toThrow(ProtocolError);
    for (const frame of recordedFrames) {
      const bytes = bytesOf(frame);
      if (typeof bytes !== 'string') expect(isStreamData(bytes)).toBe(frame === recorded);
    }
  });
});
