/** A scenario: who takes part and which faults come when. All of it follows from the seed, and all of it can be left out. */
import { Random } from '../fuzz/random.js';
import type { ClientTraits } from './virtual-client.js';
import type { CrashPoint } from './virtual-coordinator.js';
import type { WorkerTraits } from './virtual-worker.js';

/** `target` counts workers or clients, modulo how many there are. */
export type Fault = { readonly atMs: number } & (
  | { readonly do: 'worker restarts' | 'worker vanishes'; readonly target: number; readonly ms: number }
  | {
      readonly do: 'worker is suspended' | 'worker is cut off' | 'client is cut off';
      readonly target: number;
      readonly ms: number;
    }
  | { readonly do: 'worker flaps'; readonly target: number; readonly times: number; readonly ms: number }
  | { readonly do: 'site is cut off'; readonly share: number; readonly ms: number }
  | { readonly do: 'coordinator crashes'; readonly at: CrashPoint; readonly ms: number }
  | { readonly do: 'coordinator is suspended' | 'disk is low' | 'disk is full'; readonly ms: number }
  | { readonly do: 'wall clock jumps'; readonly byMs: number }
);

export interface Scenario {
  readonly seed: number;
  readonly steps: number;
  readonly windowTasks: number;
  readonly windowBytes: number;
  readonly maxOpenPerOwner: number;
  readonly maxLanesPerOwner: number;
  readonly retentionMs: number;
  readonly workers: readonly WorkerTraits[];
  readonly clients: readonly ClientTraits[];
  readonly faults: readonly Fault[];
}

const KINDS = ['echo', 'ocr.read', 'ner.extract', 'llm.chat'] as const;
export const SITES = ['a', 'b', 'c', 'd'] as const;

/** The scenario of a seed: from three workers to thousands, from quiet to bad lines. */
export function scenarioOf(seed: number, steps: number): Scenario {
  const random = new Random(seed * 7_919 + 1);
  const size = random.pick([3, 10, 30, 100, 300, 1_000, 3_000]);
  const workers = Array.from({ length: Math.min(size, Math.ceil(steps / 20)) }, (_, n) => workerOf(random, seed + n));
  const slots = workers.reduce((sum, { services }) => sum + services.reduce((all, one) => all + one.slots, 0), 0);
  const clients = Array.from({ length: 1 + random.below(Math.ceil(Math.sqrt(workers.length)) + 2) }, (_, n) =>
    clientOf(random, seed + n, slots),
  );
  return {
    seed,
    steps,
    windowTasks: random.pick([2, 8, 64, 512]),
    windowBytes: random.pick([2_000, 40_000, 1_048_576]),
    maxOpenPerOwner: random.pick([50, 100_000]),
    maxLanesPerOwner: random.pick([3, 256]),
    retentionMs: random.pick([120_000, 600_000]),
    workers,
    clients,
    faults: faultsOf(random, steps),
  };
}

function workerOf(random: Random, n: number): WorkerTraits {
  const kinds = KINDS.filter(() => random.chance(0.6));
  const served = kinds.length > 0 ? kinds : ['echo'];
  const services = [{ name: 'main', kinds: served, slots: 1 + random.below(4) }];
  // A second service of the same kinds.
  if (random.chance(0.2)) services.push({ name: 'other', kinds: served, slots: 1 + random.below(3) });
  const isBad = random.chance(0.05);
  return {
    seed: n * 104_729 + 3,
    services,
    labels: random.chance(0.7) ? { site: random.pick(SITES) } : {},
    meanRunMs: random.pick([50, 500, 3_000, 10_000, 100_000]),
    fails: isBad ? 0.9 : random.pick([0, 0.02]),
    refuses: random.pick([0, 0, 0.02]),
    forges: random.chance(0.05),
    meanChangeMs: random.pick([20_000, 300_000]),
    // 128 kbit/s to 80 Mbit/s.
    bytesPerMs: random.pick([16, 125, 1_250, 10_000]),
    latencyMs: random.pick([1, 20, 150]),
  };
}

function clientOf(random: Random, n: number, slots: number): ClientTraits {
  const bytesPerMs = random.pick([16, 1_250, 10_000]);
  return {
    seed: n * 130_363 + 5,
    owner: `owner-${n}`,
    meanGapMs: random.pick([20, 200, 2_000]),
    maxBatch: random.pick([1, 5, 50]),
    // All of it can be read in minutes.
    maxOpen: Math.min(random.pick([5, slots, 3 * slots]), 20 * bytesPerMs),
    kinds: KINDS.filter((kind) => kind === 'echo' || random.chance(0.5)),
    aheadMs: random.chance(0.25) ? 23 * 3_600_000 : 0,
    repeats: random.chance(0.5),
    timeoutMs: random.pick([100, 1_000, 5_000]),
    bytesPerMs,
    latencyMs: random.pick([1, 20, 150]),
  };
}

function faultsOf(random: Random, steps: number): Fault[] {
  const meanGapMs = random.pick([500, 3_000, 20_000]);
  const faults: Fault[] = [];
  // Of a small pool the same few have most of the faults.
  const targets = random.pick([3, 1_000_000]);
  let atMs = 0;
  for (let n = 0; n < steps / 100; n++) {
    atMs += Math.ceil(-Math.log(1 - random.next()) * meanGapMs);
    faults.push({ atMs, ...faultOf(random, targets) });
  }
  return faults;
}

type WithoutTime<T> = T extends unknown ? Omit<T, 'atMs'> : never;

function faultOf(random: Random, targets: number): WithoutTime<Fault> {
  const target = random.below(targets);
  const ms = random.pick([100, 1_000, 5_000, 9_000, 12_000, 20_000, 75_000]);
  const draw = random.next();
  if (draw < 0.2) return { do: 'worker restarts', target, ms: ms / 10 };
  if (draw < 0.3) return { do: 'worker vanishes', target, ms };
  if (draw < 0.42) return { do: 'worker is suspended', target, ms };
  if (draw < 0.67) return { do: 'worker is cut off', target, ms };
  if (draw < 0.7) return { do: 'worker flaps', target, times: 8, ms: 20_000 };
  if (draw < 0.75) return { do: 'client is cut off', target, ms };
  if (draw < 0.8) return { do: 'site is cut off', share: random.next(), ms: Math.min(ms, 20_000) };
  if (draw < 0.9) return { do: 'coordinator crashes', at: random.pick(['before commit', 'after commit']), ms: ms / 5 };
  if (draw < 0.94) return { do: 'coordinator is suspended', ms: random.pick([1_000, 10_000, 75_000, 300_000]) };
  if (draw < 0.96) return { do: 'disk is low', ms };
  if (draw < 0.98) return { do: 'disk is full', ms };
  return { do: 'wall clock jumps', byMs: (random.next() - 0.5) * 120_000 };
}
