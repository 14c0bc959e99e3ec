/** Runs one scenario, and tells what it broke. */
import { Judge, type Rule, Violation } from './rules.js';
import type { Scenario } from './scenario.js';
import { World } from './world.js';

export interface Outcome {
  readonly steps: number;
  /** Virtual time. */
  readonly seconds: number;
  readonly tasks: number;
  /** What ended it: a broken rule, or an error that the core or the store threw. */
  readonly failure: { readonly rule: Rule | 'error'; readonly message: string; readonly stack: string } | undefined;
  /** What broke a known rule. */
  readonly counted: ReadonlyMap<Rule, { count: number; first: string }>;
}

export function runScenario(scenario: Scenario, known: ReadonlySet<Rule>): Outcome {
  const judge = new Judge(known);
  const world = new World(scenario, judge);
  let failure: Outcome['failure'];
  try {
    world.run();
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    const rule = error instanceof Violation ? error.rule : 'error';
    failure = { rule, message: error.message, stack: error.stack ?? '' };
  }
  const { steps, queue, contract } = world;
  return { steps, seconds: queue.nowMs / 1_000, tasks: contract.count, failure, counted: judge.counted };
}
