/**
 * Liveness of one connection, for either side: a heartbeat after 3 s without sending, dead after 8 s without
 * hearing. Pure: time is given. Every frame counts in both directions.
 */

export const HEARTBEAT_MS = 3_000;
export const SILENCE_MS = 8_000;
/** How often a side checks its connections. */
export const LIVENESS_TICK_MS = 1_000;

export interface Liveness {
  heardAtMs: number;
  sentAtMs: number;
}

export type LivenessVerdict = 'ok' | 'heartbeat' | 'dead';

export function livenessAt(nowMs: number): Liveness {
  return { heardAtMs: nowMs, sentAtMs: nowMs };
}

/**
 * What to do about a connection now. `lagMs` is by how much this side's own timer was late since the last check: a side
 * that was suspended must not count that time as its peer's silence.
 */
export function judgeLiveness(liveness: Liveness, nowMs: number, lagMs: number): LivenessVerdict {
  if (lagMs > 0) liveness.heardAtMs = Math.min(nowMs, liveness.heardAtMs + lagMs);
  if (nowMs - liveness.heardAtMs >= SILENCE_MS) return 'dead';
  if (nowMs - liveness.sentAtMs >= HEARTBEAT_MS) return 'heartbeat';
  return 'ok';
}
