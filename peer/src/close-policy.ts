/**
 * What a close code means to the side that dialled: dial again, wait longer, or stop. One table for both roles; the only
 * difference is that a worker outwaits a coordinator that rejects its frames, where a client stops and says why. Pure.
 */
import { CLOSE, type CloseName } from '@rma/protocol/error';

/** Which side of the protocol dials: one that submits and asks, or one that executes. */
export type PeerRole = 'client' | 'worker';

/**
 * - `backoff`: dial again after the ordinary backoff.
 * - `wait`: dial again after {@link longDelayMs}(0): sooner would only do harm.
 * - `wait-longer`: as `wait`, doubling with every such close in a row.
 * - `stop`: the same `hello` will not do; report why.
 */
export type AfterClose = 'backoff' | 'wait' | 'wait-longer' | 'stop';

/**
 * The coordinator rejects what this side sends, or sends what this side rejects. Another release of the coordinator may
 * mend that, and nobody is there to restart a donor's machine, so a worker never stops for these.
 */
const OUTWAITED: readonly CloseName[] = ['bad_frame', 'forbidden', 'frame_too_large'];

/**
 * @param close the name of the close code; undefined for a code that is not the protocol's, such as 1006
 * @param isAnnounced the coordinator sent `goodbye`. A bare 1000 may come from a proxy and means nothing.
 */
export function afterClose(close: CloseName | undefined, role: PeerRole, isAnnounced: boolean): AfterClose {
  if (close === undefined) return 'backoff';
  if (close === 'normal') return isAnnounced && role === 'client' ? 'stop' : 'backoff';
  if (close === 'replaced') return 'wait';
  if (CLOSE[close].retry) return 'backoff';
  return role === 'worker' && OUTWAITED.includes(close) ? 'wait-longer' : 'stop';
}

const LONG_MS = 30_000;
const LONGEST_MS = 900_000;

/**
 * min(15 min, 30 s · 2^n), plus up to a tenth of jitter so that a fleet does not come back in step.
 * @param count how many closes in a row were of this sort before, from 0
 * @param random from 0 (inclusive) to 1 (exclusive)
 */
export function longDelayMs(count: number, random: number): number {
  return Math.floor(Math.min(LONGEST_MS, LONG_MS * 2 ** Math.min(count, 16)) * (1 + random / 10));
}
