/** What `npm run simulate` runs: one seed after the other, each to its end or its first violation, which is made small. */
import { KNOWN, type Rule } from './rules.js';
import { type Outcome, runScenario } from './run.js';
import { type Scenario, scenarioOf } from './scenario.js';
import { shrink } from './shrink.js';

export interface SimulateOptions {
  readonly steps: number;
  readonly seeds: readonly number[];
  /** A scenario to run in place of seeds. */
  readonly scenario: Scenario | undefined;
  /** Also what the present core is known to break ends a run. */
  readonly strict: boolean;
  /** Scenarios tried to make a failing one smaller. */
  readonly shrinkRuns: number;
  readonly say: (line: string) => void;
  /** Keeps a scenario that fails, and answers where. */
  readonly keep: (scenario: Scenario) => string;
}

/** @returns whether every run ended without a violation */
export function simulate(options: SimulateOptions): boolean {
  const { steps, seeds, scenario, strict, say } = options;
  const known = strict ? new Set<Rule>() : KNOWN;
  const scenarios = scenario ? [scenario] : seeds.map((seed) => scenarioOf(seed, steps));
  let failures = 0;
  for (const one of scenarios) {
    const outcome = runScenario(one, known);
    say(lineOf(one, outcome));
    for (const [rule, { count, first }] of outcome.counted) say(`  known: ${rule}, ${count} times (first: ${first})`);
    if (!outcome.failure) continue;
    failures++;
    say(`  ${outcome.failure.rule === 'error' ? outcome.failure.stack : outcome.failure.message}`);
    if (options.shrinkRuns > 0) reportSmallest(one, outcome, known, options);
  }
  return failures === 0;
}

function lineOf({ seed, workers, clients }: Scenario, { steps, seconds, tasks, failure }: Outcome): string {
  const size = `${workers.length} workers, ${clients.length} clients, ${tasks} tasks, ${Math.round(seconds)} s of virtual time`;
  return `seed ${seed}: ${failure ? `VIOLATION at step ${steps}` : `${steps} steps`} (${size})`;
}

function reportSmallest(one: Scenario, failed: Outcome, known: ReadonlySet<Rule>, options: SimulateOptions): void {
  const smallest = shrink(one, failed, (smaller) => runScenario(smaller, known), options.shrinkRuns);
  const { workers, clients, faults, steps } = smallest;
  const size = `${workers.length} workers, ${clients.length} clients, ${faults.length} faults, ${steps} steps`;
  options.say(`  smallest: ${size}; run it again with --scenario ${options.keep(smallest)}`);
}
