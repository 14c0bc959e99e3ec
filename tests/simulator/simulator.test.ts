/** The short form of `npm run simulate`: some seeds, each held against the contract after every step and at rest. */
import { describe, expect, it } from 'vitest';
import { DIRECTED } from './directed.js';
import { KNOWN, type Rule, Violation } from './rules.js';
import { runScenario } from './run.js';
import { scenarioOf } from './scenario.js';
import { shrink } from './shrink.js';

/** Fewer where each mutant of the core is tried on it. */
const STEPS = Number(process.env.RMA_SIMULATE_STEPS ?? 20_000);

describe('the simulated pool', () => {
  it.each([1, 3, 7, 14, 23])('keeps the contract with seed %i', (seed) => {
    const { failure } = runScenario(scenarioOf(seed, STEPS), KNOWN);
    expect(failure?.stack, `npm run simulate -- --steps ${STEPS} --seed ${seed}`).toBeUndefined();
  });

  it.each(Object.entries(DIRECTED))('keeps the contract through %s', (_, scenario) => {
    expect(runScenario(scenario, KNOWN).failure?.stack).toBeUndefined();
  });

  it('goes the same way with the same seed', () => {
    const [first, second] = [1, 1].map((seed) => runScenario(scenarioOf(seed, 3_000), KNOWN));
    expect(second).toEqual(first);
  });

  it('leaves out what a failure does not need', () => {
    const scenario = scenarioOf(9, 3_000);
    const outcome = { ...runScenario(scenario, KNOWN), failure: { rule: 'task lost' as Rule, message: '', stack: '' } };
    const needed = scenario.workers[3]!;
    const smallest = shrink(
      scenario,
      outcome,
      (smaller) => ({ ...outcome, failure: smaller.workers.includes(needed) ? outcome.failure : undefined }),
      1_000,
    );
    expect(smallest.workers).toEqual([needed]);
    expect(smallest.clients).toHaveLength(1);
    expect(smallest.faults).toEqual([]);
  });

  it('says which rule is broken, and what the rule is', () => {
    expect(new Violation('task lost', 'task 7 waits for ever').message).toBe(
      'task lost: task 7 waits for ever (every accepted task ends)',
    );
  });
});
