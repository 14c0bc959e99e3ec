/** What waits, as placement's input: a demand for each lane of the catalogue's kinds that has queued tasks. */
import { queuedIn } from '../lane.js';
import type { State } from '../state.js';
import type { Turn } from '../turn.js';
import { acceptsTasks, isStarting, mismatch, serves } from '../worker.js';
import { BACKLOG_FACTOR } from './place.js';
import type { Demand } from './plan.js';

/** Also keeps `catalog.backlogSince`: the lanes for which `queued > slots * BACKLOG_FACTOR > 0`, and since when. */
export function demandsOf({ state, batch }: Turn): Demand[] {
  const { catalog } = state;
  const demands: Demand[] = [];
  for (const kind of catalog.kinds) {
    for (const lane of state.kinds.get(kind)?.lanes ?? []) {
      const queued = queuedIn(lane);
      const { constraints } = lane;
      const admits = (id: string) => {
        const worker = state.workers.get(id);
        return worker !== undefined && mismatch(worker, constraints) === undefined;
      };
      const { slots, serviceStarting } =
        queued > 0 ? supplyOf(state, kind, constraints.model, admits) : { slots: 0, serviceStarting: false };
      if (queued === 0 || slots === 0 || queued <= slots * BACKLOG_FACTOR) catalog.backlogSince.delete(lane.id);
      else if (!catalog.backlogSince.has(lane.id)) catalog.backlogSince.set(lane.id, batch.nowMs);
      if (queued === 0) continue;
      const since = catalog.backlogSince.get(lane.id);
      const backlogMs = since === undefined ? 0 : batch.nowMs - since;
      demands.push({ kind, model: constraints.model, queued, slots, serviceStarting, backlogMs, admits });
    }
  }
  for (const id of catalog.backlogSince.keys()) if (!state.lanes.has(id)) catalog.backlogSince.delete(id);
  return demands;
}

/** Slots that serve the kind now, and whether a best-effort service that will is still starting. */
function supplyOf(
  state: State,
  kind: string,
  model: string | undefined,
  admits: (id: string) => boolean,
): { slots: number; serviceStarting: boolean } {
  let slots = 0;
  let serviceStarting = false;
  for (const worker of state.workers.values()) {
    if (!acceptsTasks(worker) || !admits(worker.record.id)) continue;
    let own = 0;
    for (const live of worker.services.values()) if (serves(live, kind, model)) own += live.service.slots;
    slots += own;
    if (own > 0 || model !== undefined || serviceStarting) continue;
    serviceStarting = worker.assignment.workloads.some(({ workload, container }) => {
      if (container || !worker.record.available.find((one) => one.workload === workload)?.kinds.includes(kind))
        return false;
      const serviceState = worker.services.get(workload)?.service.state;
      return serviceState === undefined || isStarting(serviceState);
    });
  }
  return { slots, serviceStarting };
}
