/** Delta debugging: leaves out workers, clients and faults of a scenario as long as the same rule is broken. */
import type { Outcome } from './run.js';
import type { Scenario } from './scenario.js';

const PARTS = ['faults', 'clients', 'workers'] as const;

/**
 * @param run whether a smaller scenario still fails in the same way
 * @param maxRuns how many are tried
 */
export function shrink(
  scenario: Scenario,
  failed: Outcome,
  run: (smaller: Scenario) => Outcome,
  maxRuns: number,
): Scenario {
  let best: Scenario = {
    ...scenario,
    steps: failed.steps + 1,
    faults: scenario.faults.filter(({ atMs }) => atMs <= failed.seconds * 1_000),
  };
  let runs = 0;
  const tryIt = (smaller: Scenario): boolean => {
    if (runs >= maxRuns || smaller.clients.length === 0 || smaller.workers.length === 0) return false;
    runs++;
    const outcome = run(smaller);
    if (outcome.failure?.rule !== failed.failure?.rule) return false;
    best = { ...smaller, steps: outcome.steps + 1 };
    return true;
  };
  // At rest it may fail at another place, or not at all.
  if (!tryIt(best)) best = scenario;
  for (let before = -1; before !== sizeOf(best) && runs < maxRuns; ) {
    before = sizeOf(best);
    for (const part of PARTS) {
      for (let size = Math.ceil(best[part].length / 2); size >= 1; size = size === 1 ? 0 : Math.ceil(size / 2)) {
        for (let at = 0; at < best[part].length && runs < maxRuns; ) {
          const without = [...best[part].slice(0, at), ...best[part].slice(at + size)];
          if (!tryIt({ ...best, [part]: without })) at += size;
        }
      }
    }
  }
  return best;
}

const sizeOf = ({ workers, clients, faults }: Scenario): number => workers.length + clients.length + faults.length;
