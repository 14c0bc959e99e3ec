/** Many items in as few messages as the limits admit (LIMITS.maxItems, maxFrameBytes). Pure. */
import { encodeUp } from '@rma/protocol/codec';
import { LIMITS } from '@rma/protocol/limits';
import type { AttemptResult, Chunk } from '@rma/protocol/task';
import type { Up } from '@rma/protocol/up';
import { SUBPROTOCOL_MSGPACK } from '@rma/protocol/version';

/** Leaves a quarter of a frame for what the estimates below miss. */
const BATCH_BYTES = LIMITS.maxFrameBytes * 0.75;
/** Names, ids and numbers of one item. */
const ITEM_BYTES = 160;

/** A message as a MessagePack frame. */
export function encodeFrame(message: Up): Uint8Array {
  return encodeUp(message, SUBPROTOCOL_MSGPACK) as Uint8Array;
}

export function encodeResults(results: readonly AttemptResult[]): Uint8Array[] {
  return batches(results, resultBytes).map((batch) => encodeFrame({ type: 'results', results: batch }));
}

export function encodeChunks(chunks: readonly Chunk[]): Uint8Array[] {
  return batches(chunks, chunkBytes).map((batch) => encodeFrame({ type: 'chunks', chunks: batch }));
}

/** In order, each batch within maxItems and, unless a single item is larger, within three quarters of a frame. */
export function batches<T>(items: readonly T[], bytesOf: (item: T) => number): T[][] {
  const all: T[][] = [];
  let batch: T[] = [];
  let bytes = 0;
  for (const item of items) {
    const more = bytesOf(item);
    if (batch.length > 0 && (batch.length === LIMITS.maxItems || bytes + more > BATCH_BYTES)) {
      all.push(batch);
      batch = [];
      bytes = 0;
    }
    batch.push(item);
    bytes += more;
  }
  if (batch.length > 0) all.push(batch);
  return all;
}

function resultBytes(result: AttemptResult): number {
  let bytes = ITEM_BYTES;
  if (result.output !== undefined) bytes += result.output.length;
  // A character takes up to three bytes.
  if (result.error !== undefined) bytes += result.error.message.length * 3;
  if (result.blobs !== undefined) bytes += result.blobs.length * 66;
  return bytes;
}

function chunkBytes({ data }: Chunk): number {
  return ITEM_BYTES + data.length;
}
