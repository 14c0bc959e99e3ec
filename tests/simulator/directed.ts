/** Scenarios that no seed comes to often: each leads straight to one fault that was found by hand. */
import { type Fault, type Scenario, scenarioOf } from './scenario.js';

const NEVER_MS = 1_000_000_000;
const STEPS = 8_000;

/** Equal workers with long attempts on good lines, two clients, and these faults. */
function quietPool(workers: number, seed: number, faults: readonly Fault[]): Scenario {
  const line = { bytesPerMs: 1_250, latencyMs: 5 };
  return {
    ...scenarioOf(seed, STEPS),
    windowTasks: 64,
    windowBytes: 1_048_576,
    maxOpenPerOwner: 100_000,
    maxLanesPerOwner: 256,
    retentionMs: 600_000,
    workers: Array.from({ length: workers }, (_, n) => ({
      ...line,
      seed: seed + n,
      services: [{ name: 'main', kinds: ['echo'], slots: 2 }],
      labels: {},
      meanRunMs: 300_000,
      fails: 0,
      refuses: 0,
      forges: false,
      meanChangeMs: NEVER_MS,
    })),
    clients: Array.from({ length: 2 }, (_, n) => ({
      ...line,
      seed: seed + 1_000 + n,
      owner: `owner-${n}`,
      meanGapMs: 1_000,
      maxBatch: 5,
      maxOpen: 2 * workers + 2,
      kinds: ['echo'],
      aheadMs: 0,
      repeats: false,
      timeoutMs: 5_000,
    })),
    faults,
  };
}

export const DIRECTED: Readonly<Record<string, Scenario>> = {
  'eight outages of the one worker, longer than its grace': quietPool(1, 5, [
    { atMs: 10_000, do: 'worker flaps', target: 0, times: 8, ms: 20_000 },
  ]),
  'a coordinator that stands still for four minutes': quietPool(40, 7, [
    { atMs: 20_000, do: 'coordinator is suspended', ms: 240_000 },
  ]),
  'a coordinator that is stopped for as long as a laptop sleeps': quietPool(40, 9, [
    { atMs: 20_000, do: 'coordinator is suspended', ms: 75_000 },
  ]),
};
