/** Ids of tasks: UUIDv7, ascending within this process. Random bytes are fetched for many ids at once, which is most of the cost. */
import { v7 } from 'uuid';

const ID_BYTES = 16;
const pool = new Uint8Array(256 * ID_BYTES);
let used = pool.length;
let lastMs = 0;
let sequence = 0;

export function newTaskId(): string {
  if (used === pool.length) {
    crypto.getRandomValues(pool);
    used = 0;
  }
  const random = pool.subarray(used, used + ID_BYTES);
  used += ID_BYTES;
  const nowMs = Date.now();
  if (nowMs > lastMs) {
    lastMs = nowMs;
    // Begins in the lower half of its 32 bits, so that a millisecond's ids never overflow it.
    sequence = new DataView(random.buffer, random.byteOffset).getUint32(6) >>> 1;
  } else sequence += 1;
  return v7({ random, msecs: lastMs, seq: sequence });
}
