/** Frames of the task server, as they arrive: in any pieces, or not at all. */
import { encodeFrame, type Frame, FrameReader, MAX_FRAME_BYTES } from '@rma/workloads/task-server/frames';
import fc from 'fast-check';
import { expect, it } from 'vitest';

const frames: Frame[] = [
  { type: 'progress', fraction: 0.5, note: 'half' },
  { type: 'chunk', value: { text: 'ä'.repeat(500) } },
  { type: 'output', output: null },
  { type: 'error', error: { code: 'x.y', message: 'no', retryable: true } },
];

it('are the same whatever pieces they arrive in', () => {
  const bytes = Buffer.concat(frames.map(encodeFrame));
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: bytes.length })), (cuts) => {
      const reader = new FrameReader();
      const points = [0, ...cuts.sort((a, b) => a - b), bytes.length];
      const read = points.slice(1).flatMap((end, i) => reader.push(new Uint8Array(bytes.subarray(points[i], end))));
      expect(read).toEqual(frames);
    }),
  );
});

it('begin with their length in four bytes, the highest first', () => {
  const bytes = encodeFrame({ type: 'chunk', value: 1 });
  expect([...bytes.subarray(0, 4)]).toEqual([0, 0, 0, bytes.length - 4]);
});

it('that are too long, or none of a task server, are refused before they are gathered', () => {
  const header = new Uint8Array(4);
  new DataView(header.buffer).setUint32(0, MAX_FRAME_BYTES + 1);
  expect(() => new FrameReader().push(header)).toThrow(/above the limit/);
  expect(() => new FrameReader().push(new Uint8Array([0, 0, 0, 1, 7]))).toThrow(/none of a task server's/);
});
