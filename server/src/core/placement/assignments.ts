/** The assignments of live workers: derived when what they depend on changes, and published where they differ. */
import { outgoingOf } from '../effects.js';
import type { State } from '../state.js';
import { emit, type Turn } from '../turn.js';
import { machineOf, type Worker } from '../worker.js';
import { assign, type PlacedWorkload } from './assign.js';
import { eligibilitiesOf } from './eligibilities.js';

/** Derives the assignment from what is placed; true when what the worker has to do changed. */
export function reassign(state: State, worker: Worker): boolean {
  const eligibilities = eligibilitiesOf(state, worker);
  const placed: PlacedWorkload[] = [];
  for (const [workload, { reason }] of worker.placed) {
    const eligibility = eligibilities.get(workload);
    if (eligibility?.ok) placed.push({ workload, reason, eligibility });
  }
  const before = worker.assignment;
  const after = assign(machineOf(worker.record, worker), worker.record.pinnedTier, placed, state.catalog);
  worker.assignment = after;
  worker.record.reasons = after.reasons;
  const duties = ({ tier, pinned, workloads }: typeof after) => JSON.stringify([tier, pinned, workloads]);
  return duties(before) !== duties(after);
}

/** As an event, and to the worker, if it has a session. */
export function publishAssignment(turn: Turn, worker: Worker): void {
  const { assignment } = worker;
  emitAssigned(turn, worker);
  if (worker.session === 0) return;
  const outgoing = outgoingOf(turn.effects, worker.session);
  if (outgoing.welcome?.worker) outgoing.welcome.worker.assignment = assignment;
  else outgoing.assignment = assignment;
}

export function emitAssigned(turn: Turn, { record, assignment }: Worker): void {
  emit(turn, 'worker.assigned', record.id, '', {
    tier: assignment.tier,
    reasons: assignment.reasons,
    workloads: assignment.workloads.map(({ workload }) => workload),
  });
}
