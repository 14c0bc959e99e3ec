/**
 * Placement: which workload runs on which worker. Pure, deterministic, and a difference rather than a plan from nothing:
 * what runs stays unless there is a reason, so that nothing flaps. Floors come first, then what waits.
 */
import type { CatalogEntry } from '@rma/protocol/catalog';
import { startReplica } from './choose-node.js';
import type { NodeSnapshot } from './node.js';
import { type Demand, type Placement, type PlacementInput, Plan } from './plan.js';

/** Another replica is started once `queued > slots * BACKLOG_FACTOR` held for BACKLOG_MS. */
export const BACKLOG_FACTOR = 4;
export const BACKLOG_MS = 10_000;

export function place(input: PlacementInput): Placement {
  const plan = new Plan(input);
  const { catalog, demands, frozen } = input;
  for (const snapshot of plan.nodes) keepReplicas(plan, snapshot);
  if (!frozen) {
    for (const entry of catalog) stopAboveCeiling(plan, entry);
    for (const entry of catalog) startUpToFloor(plan, entry);
    for (const demand of demands) meetDemand(plan, demand);
    for (const entry of catalog) stopIdle(plan, entry);
  }
  const { starts, stops, unmet } = plan;
  return { starts, stops, unmet };
}

/** What runs stays, unless its worker is no longer eligible or it no longer fits. */
function keepReplicas(plan: Plan, snapshot: NodeSnapshot): void {
  const { node } = snapshot;
  for (const entry of plan.input.catalog) {
    const replica = node.replicas.get(entry.name);
    if (!replica) continue;
    const bound = plan.input.bindings.get(entry.name);
    const eligibility = node.eligibility.get(entry.name);
    const reason =
      bound !== undefined && bound !== node.id
        ? `its data is on ${bound}`
        : eligibility?.ok
          ? plan.keep(snapshot, entry.name, replica)
          : (eligibility?.reason ?? 'cannot run it');
    if (reason !== undefined) plan.reject(snapshot, entry.name, reason);
  }
  for (const name of node.replicas.keys()) {
    if (!plan.byName.has(name)) plan.reject(snapshot, name, 'is no longer in the catalogue');
  }
}

/** Reconnecting workers may bring more replicas back than the ceiling admits. */
function stopAboveCeiling(plan: Plan, entry: CatalogEntry): void {
  const running = plan.replicasOf(entry);
  let over = running.length - entry.ceiling;
  for (const snapshot of running.toReversed()) {
    if (over <= 0) return;
    if (!plan.mayStop(entry, snapshot.replicas.get(entry.name)!)) continue;
    plan.stop(snapshot, entry.name, `more than its ceiling of ${entry.ceiling} run`);
    over--;
  }
}

function startUpToFloor(plan: Plan, entry: CatalogEntry): void {
  while (plan.replicasOf(entry).length < entry.floor) {
    if (!startReplica(plan, entry, undefined, `${entry.floor} of it shall always run`)) return;
  }
}

function meetDemand(plan: Plan, demand: Demand): void {
  const { kind, model, queued, slots } = demand;
  const isBacklog = queued > slots * BACKLOG_FACTOR && demand.backlogMs >= BACKLOG_MS;
  if (demand.serviceStarting || (slots > 0 && !isBacklog)) return;
  const serving = plan.input.catalog.filter(
    (entry) => entry.kinds.includes(kind) && (model === undefined || entry.models.includes(model)),
  );
  const isStarting = (entry: CatalogEntry) =>
    plan
      .replicasOf(entry)
      .some(({ node, replicas }) => replicas.get(entry.name)?.state === 'starting' && demand.admits(node.id));
  if (serving.some(isStarting)) return;
  if (slots > 0) {
    const busy = serving.find((entry) => {
      const running = plan.replicasOf(entry);
      return running.length < entry.ceiling && running.some(({ node }) => demand.admits(node.id));
    });
    if (busy) startReplica(plan, busy, demand, `${kind} has more tasks than its workers take`);
    return;
  }
  for (const entry of serving) {
    if (plan.replicasOf(entry).length >= entry.ceiling) {
      const reason = `its ceiling of ${entry.ceiling} is reached, by workers that these tasks do not admit`;
      plan.unmet.set(entry.name, reason);
    } else if (startReplica(plan, entry, demand, `tasks of ${kind} wait`)) {
      for (const other of serving) plan.unmet.delete(other.name);
      return;
    }
  }
}

function stopIdle(plan: Plan, entry: CatalogEntry): void {
  if (entry.idleSeconds === 0) return;
  const running = plan.replicasOf(entry);
  let over = running.length - entry.floor;
  for (const snapshot of running) {
    if (over <= 0) return;
    const replica = snapshot.replicas.get(entry.name)!;
    if (replica.idleMs < entry.idleSeconds * 1_000 || !plan.mayStop(entry, replica)) continue;
    plan.stop(snapshot, entry.name, `idle for ${entry.idleSeconds} s`);
    over--;
  }
}
