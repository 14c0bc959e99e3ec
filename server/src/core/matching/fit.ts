/** Whether a worker may take a lane's tasks, and how much of it is free: terms narrow a search, this decides. */
import type { Lane } from '../lane.js';
import { freeService, freeSlotsFor, type LiveService, mismatch, servesKind } from '../worker.js';
import { believedSlots, usedSlots } from './believed-slots.js';
import type { WorkerEntry } from './worker-entry.js';

/** The service that would take the lane's next task; undefined where none has room, or the constraints do not admit it. */
export function serviceFor({ worker, open }: WorkerEntry, lane: Lane): LiveService | undefined {
  if (open === 0 || mismatch(worker, lane.constraints) !== undefined) return undefined;
  return freeService(worker, lane.kind, lane.constraints.model);
}

/** Whether it would take the lane's tasks if it had a free slot. */
export function suits({ worker }: WorkerEntry, lane: Lane): boolean {
  return mismatch(worker, lane.constraints) === undefined && servesKind(worker, lane.kind, lane.constraints.model);
}

/** Free share: the free slots for the lane, as far as they are believed, of these and all that are taken there. */
export function shareOf({ worker }: WorkerEntry, lane: Lane): number {
  const used = usedSlots(worker);
  const free = Math.min(freeSlotsFor(worker, lane.kind, lane.constraints.model), believedSlots(worker) - used);
  return free <= 0 ? 0 : free / (free + used);
}
