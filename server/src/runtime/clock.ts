/** Time as a port: monotonic for deadlines, wall clock for records; and the active time of whoever reads it regularly. */
import { performance } from 'node:perf_hooks';
import { HEARTBEAT_MS, SILENCE_MS } from '@rma/protocol/liveness';

export interface Clock {
  /** Monotonic ms. */
  nowMs(): number;
  /** ms since 1970. */
  wallMs(): number;
}

export const systemClock: Clock = {
  nowMs: () => performance.now(),
  wallMs: () => Date.now(),
};

/** So much of the time between two readings counts at most; an idle loop reads ten times a second. */
const MAX_STEP_MS = 1_000;
/** Peers that heard from this side a heartbeat before it stood still leave after this. */
const STALL_MS = SILENCE_MS - HEARTBEAT_MS;

/**
 * Time in which this process was at work. Graces and deadlines are counted in it, since nobody can be heard while it is
 * suspended or busy. From one reading to the next: active' - active = min(now' - now, MAX_STEP_MS).
 */
export class ActiveTime {
  readonly #clock: Clock;
  #readMs: number;
  #activeMs: number;
  #stalled = false;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#readMs = clock.nowMs();
    this.#activeMs = this.#readMs;
  }

  /** Active ms, monotonic. */
  nowMs(): number {
    const nowMs = this.#clock.nowMs();
    const gapMs = nowMs - this.#readMs;
    this.#readMs = nowMs;
    this.#activeMs += Math.min(gapMs, MAX_STEP_MS);
    if (gapMs >= STALL_MS) this.#stalled = true;
    return this.#activeMs;
  }

  /** Whether, since this was last asked, it stood still for so long that peers may have left. */
  takeStall(): boolean {
    const stalled = this.#stalled;
    this.#stalled = false;
    return stalled;
  }
}
