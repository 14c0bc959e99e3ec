/** Runs placement on the live state, at most a few times a second, and turns its answer into assignments. */
import { indexWorkers } from '../state.js';
import type { Turn } from '../turn.js';
import type { Worker } from '../worker.js';
import { publishAssignment, reassign } from './assignments.js';
import { Candidates } from './candidates.js';
import { demandsOf } from './demand.js';
import { eligibilitiesOf } from './eligibilities.js';
import { place } from './place.js';
import type { Placement } from './plan.js';

const MIN_INTERVAL_MS = 250;

export function runPlacement(turn: Turn): void {
  const { state, batch, effects } = turn;
  if (!state.placementDue || batch.nowMs - state.placedAtMs < MIN_INTERVAL_MS || state.stopping) return;
  state.placementDue = false;
  state.placedAtMs = batch.nowMs;
  const { catalog, index } = state;
  if (index.placed.size === 0 && catalog.entries.length === 0) return;
  const candidates = new Candidates(turn);
  const { demands, partial } = demandsOf(turn, candidates);
  const placement = place({
    catalog: catalog.entries,
    nodes: [...index.placed].map((worker) => candidates.nodeOf(worker)),
    candidates: (entry) => candidates.of(entry, {}),
    demands,
    bindings: new Map([...state.bindings].map(([workload, { worker }]) => [workload, worker])),
    // After a start workers reconnect with what they run: starting it elsewhere meanwhile would double it.
    frozen: batch.nowMs < state.frozenUntilMs && index.counts.awaited > 0,
  });
  catalog.unmet = unmetAfter(catalog.unmet, placement, partial);
  const changed = apply(turn, placement);
  for (const worker of changed) {
    if (!reassign(state, worker)) continue;
    effects.persist.workers.add(worker.record);
    publishAssignment(turn, worker);
  }
  indexWorkers(state, changed);
}

/** What a partial run did not come to is as the runs before left it. */
function unmetAfter(before: ReadonlyMap<string, string>, { unmet, starts }: Placement, partial: boolean) {
  if (!partial) return unmet;
  const after = new Map(before);
  for (const { workload } of starts) after.delete(workload);
  for (const [workload, reason] of unmet) after.set(workload, reason);
  return after;
}

/** @returns the workers with another set of placed workloads */
function apply(turn: Turn, { starts, stops }: Placement): Set<Worker> {
  const { state, batch } = turn;
  const changed = new Set<Worker>();
  for (const { worker: id, workload } of stops) {
    const worker = state.workers.get(id)!;
    worker.placed.delete(workload);
    changed.add(worker);
  }
  for (const { worker: id, workload, reason } of starts) {
    const worker = state.workers.get(id)!;
    const eligibility = eligibilitiesOf(state, worker).get(workload);
    if (!eligibility?.ok) throw new Error(`${workload} was placed on ${id}, which cannot run it`);
    const { nowMs } = batch;
    const { runtime } = eligibility;
    worker.placed.set(workload, { runtime, reason, sinceMs: nowMs, busyAtMs: nowMs, failingMs: 0 });
    changed.add(worker);
  }
  return changed;
}
