/** Changes that placement depends on: the catalogue, a worker's policy, replicas of a reconnecting worker, bindings. */
import type { UpOf } from '@rma/protocol/up';
import type { DonorPolicy } from '@rma/protocol/workload';
import type { Input } from '../inputs.js';
import { indexWorkers, type State } from '../state.js';
import { emit, type Turn } from '../turn.js';
import type { Worker } from '../worker.js';
import { publishAssignment, reassign } from './assignments.js';
import { makeCatalog } from './catalog-state.js';
import { eligibilitiesOf } from './eligibilities.js';
import { servicesOf } from './node-state.js';

export function applyCatalog(turn: Turn, input: Extract<Input, { type: 'catalog' }>): void {
  const { state } = turn;
  const before = state.catalog;
  state.catalog = makeCatalog(input.entries, input.source);
  for (const [workload, ms] of before.startMs) state.catalog.startMs.set(workload, ms);
  for (const kind of before.kinds) forgetKind(state, kind);
  for (const kind of state.catalog.kinds) if (!state.knownKinds.has(kind)) state.knownKinds.set(kind, new Set());
  if (input.changed) {
    const workloads = input.entries.map(({ name }) => name);
    emit(turn, 'catalog.changed', '', '', { source: input.source, workloads });
  }
  for (const worker of state.workers.values()) {
    worker.eligibility = null;
    // An absent worker gets its assignment with the next welcome.
    if (worker.session === 0 || !reassign(state, worker)) continue;
    turn.effects.persist.workers.add(worker.record);
    publishAssignment(turn, worker);
  }
  indexWorkers(state, state.workers.values());
  state.placementDue = true;
}

export function refuseCatalog(turn: Turn, { source, message }: Extract<Input, { type: 'catalog.refused' }>): void {
  turn.state.catalog.refused = message;
  emit(turn, 'catalog.refused', '', '', { source, message });
}

/** A kind that left the catalogue stays known only while a worker that ever offered it is in the pool. */
function forgetKind(state: State, kind: string): void {
  if (state.catalog.kinds.has(kind) || state.builtInKinds.has(kind)) return;
  if (state.knownKinds.get(kind)?.size === 0) state.knownKinds.delete(kind);
}

/** Counts what a reconnecting worker runs as placed there: placements are not stored, and a start forgets them. */
export function adoptReplicas(turn: Turn, worker: Worker): void {
  const { state, batch } = turn;
  const eligibilities = eligibilitiesOf(state, worker);
  for (const entry of state.catalog.entries) {
    if (worker.placed.has(entry.name)) continue;
    const eligibility = eligibilities.get(entry.name);
    const binding = state.bindings.get(entry.name);
    if (!eligibility?.ok || (binding && binding.worker !== worker.record.id)) continue;
    const live = servicesOf(worker, entry).find(({ service }) => service.state !== 'stopped');
    const { runtime } = eligibility;
    if (!live || (live.service.runtime === 'docker') !== (runtime === 'docker')) continue;
    const reason = 'it runs there already';
    const { nowMs } = batch;
    worker.placed.set(entry.name, { runtime, reason, sinceMs: nowMs, busyAtMs: nowMs, failingMs: 0 });
  }
}

/** Binds a workload with state to the worker where it became healthy: its data is there from now on. */
export function bindHealthy(turn: Turn, worker: Worker): void {
  const { state, batch, effects } = turn;
  for (const [workload, { runtime }] of worker.placed) {
    const entry = state.catalog.byName.get(workload);
    if (!entry?.stateful || state.bindings.has(workload)) continue;
    if (!servicesOf(worker, entry).some(({ service }) => service.state === 'healthy')) continue;
    const binding = { worker: worker.record.id, runtime, boundAt: batch.wallMs };
    state.bindings.set(workload, binding);
    effects.persist.bindings.set(workload, binding);
    worker.eligibility = null;
    emit(turn, 'workload.bound', worker.record.id, '', { workload });
  }
}

/** The data of a worker that left for good is gone: its workloads may start empty elsewhere. */
export function releaseBindings(turn: Turn, worker: Worker, why: string): void {
  const { state, effects } = turn;
  for (const [workload, { worker: id }] of state.bindings) {
    if (id !== worker.record.id) continue;
    state.bindings.delete(workload);
    effects.persist.bindings.set(workload, null);
    emit(turn, 'workload.released', id, '', { workload, reason: `its worker ${why}` });
  }
  worker.placed.clear();
  state.placementDue = true;
}

export function applyPolicy(turn: Turn, worker: Worker, { policy, engine }: UpOf<'policy'>): void {
  const before = worker.policy;
  if (engine) worker.engine = engine;
  setPolicy(worker, policy);
  const { state, effects } = turn;
  effects.workers.add(worker);
  if ((before?.paused ?? false) !== policy.paused || (policy.paused && before?.reason !== policy.reason)) {
    emit(turn, 'worker.policy', worker.record.id, '', {
      paused: policy.paused,
      ...(policy.reason === undefined ? {} : { reason: policy.reason }),
    });
  }
  if (reassign(state, worker)) {
    effects.persist.workers.add(worker.record);
    publishAssignment(turn, worker);
  }
  state.placementDue = true;
}

export function setPolicy(worker: Worker, policy: DonorPolicy | undefined): void {
  worker.policy = policy;
  worker.eligibility = null;
}
