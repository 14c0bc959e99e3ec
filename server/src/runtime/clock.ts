/** Time as a port: monotonic for deadlines, wall clock for records. */
import { performance } from 'node:perf_hooks';

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
