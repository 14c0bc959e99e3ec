/** Runs placement on the live state, at most a few times a second, and turns its answer into assignments. */
import type { State } from '../state.js';
import type { Turn } from '../turn.js';
import type { Worker } from '../worker.js';
import { publishAssignment, reassign } from './assignments.js';
import { demandsOf } from './demand.js';
import { eligibilitiesOf } from './eligibilities.js';
import { nodeStateOf } from './node-state.js';
import { place } from './place.js';
import type { Placement } from './plan.js';

const MIN_INTERVAL_MS = 250;

export function runPlacement(turn: Turn): void {
  const { state, batch, effects } = turn;
  if (!state.placementDue || batch.nowMs - state.placedAtMs < MIN_INTERVAL_MS || state.stopping) return;
  state.placementDue = false;
  state.placedAtMs = batch.nowMs;
  const { catalog } = state;
  const workers = [...state.workers.values()].filter(({ record }) => record.revokedAt === 0);
  const nodes = workers.map((worker) => nodeStateOf(turn, worker)).filter((node) => node !== undefined);
  if (nodes.length === 0 && catalog.entries.length === 0) return;
  const placement = place({
    catalog: catalog.entries,
    nodes,
    demands: demandsOf(turn),
    bindings: new Map([...state.bindings].map(([workload, { worker }]) => [workload, worker])),
    frozen: isFrozen(state, workers, batch.nowMs),
  });
  catalog.unmet = placement.unmet;
  for (const worker of apply(turn, placement)) {
    if (!reassign(state, worker)) continue;
    effects.persist.workers.add(worker.record);
    publishAssignment(turn, worker);
  }
}

/** After a start workers reconnect with what they run: starting it elsewhere meanwhile would double it. */
function isFrozen(state: State, workers: readonly Worker[], nowMs: number): boolean {
  return nowMs < state.frozenUntilMs && workers.some(({ session, leftMs }) => session === 0 && leftMs === 0);
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
