/** The eligibility of live workers: derived when what it depends on changes, kept in the worker until then. */
import type { State } from '../state.js';
import { machineOf, type Worker } from '../worker.js';
import { type Eligibility, eligibilityOf } from './eligibility.js';

/** By workload; computed once, and again after `worker.eligibility = null`. */
export function eligibilitiesOf(state: State, worker: Worker): ReadonlyMap<string, Eligibility> {
  if (worker.eligibility) return worker.eligibility;
  const machine = machineOf(worker.record, worker);
  worker.eligibility = new Map(
    state.catalog.entries.map((entry) => {
      const binding = state.bindings.get(entry.name);
      const bound = binding?.worker === worker.record.id ? binding.runtime : undefined;
      return [entry.name, eligibilityOf(entry, machine, bound)];
    }),
  );
  return worker.eligibility;
}
