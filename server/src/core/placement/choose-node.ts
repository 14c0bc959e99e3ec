/** Where another replica is started: the best node that has room, else the one where the fewest idle workloads must go. */
import type { CatalogEntry } from '@rma/protocol/catalog';
import type { NodeSnapshot, Urgency } from './node.js';
import type { Demand, Plan } from './plan.js';
import { add, NO_RESOURCES, subtract } from './resources.js';

/** A workload that failed on so many workers is not tried on yet another one. */
const MAX_FAILURES = 3;

/** Starts one more replica, for a demand or, without one, a floor; false where that is impossible, with the reason in `unmet`. */
export function startReplica(plan: Plan, entry: CatalogEntry, demand: Demand | undefined, reason: string): boolean {
  const urgency: Urgency = demand ? 'demand' : 'floor';
  if (plan.failuresOf(entry) >= MAX_FAILURES) {
    plan.unmet.set(entry.name, `it failed on ${MAX_FAILURES} workers: see their services`);
    return false;
  }
  const candidates = candidatesFor(plan, entry, demand);
  const choice = roomiest(entry, candidates, urgency) ?? cheapestPreemption(plan, entry, candidates, urgency);
  if (!choice) {
    plan.unmet.set(entry.name, whyUnmet(plan, entry, candidates, urgency));
    return false;
  }
  for (const victim of choice.victims) plan.stop(choice.snapshot, victim.name, `its room is needed for ${entry.name}`);
  plan.start(choice.snapshot, entry.name, reason);
  return true;
}

interface Choice {
  readonly snapshot: NodeSnapshot;
  /** What has to be stopped there first. */
  readonly victims: readonly CatalogEntry[];
}

function candidatesFor(plan: Plan, entry: CatalogEntry, demand: Demand | undefined): NodeSnapshot[] {
  const bound = plan.input.bindings.get(entry.name);
  const found: NodeSnapshot[] = [];
  for (const node of (demand ?? plan.input).candidates(entry)) {
    const snapshot = plan.snapshotOf(node);
    if (
      node.accepts &&
      node.eligibility.get(entry.name)?.ok &&
      !snapshot.replicas.has(entry.name) &&
      (bound === undefined || bound === node.id) &&
      !plan.wasStopped(snapshot, entry.name) &&
      demand?.admits(node.id) !== false
    ) {
      found.push(snapshot);
    }
  }
  return found.sort((a, b) => (a.node.id < b.node.id ? -1 : 1));
}

function roomiest(entry: CatalogEntry, candidates: readonly NodeSnapshot[], urgency: Urgency): Choice | undefined {
  let best: NodeSnapshot | undefined;
  for (const snapshot of candidates) {
    if (snapshot.shortageFor(entry.name, urgency) !== undefined) continue;
    if (!best || ranksBefore(entry, snapshot, best)) best = snapshot;
  }
  return best && { snapshot: best, victims: [] };
}

function cheapestPreemption(
  plan: Plan,
  entry: CatalogEntry,
  candidates: readonly NodeSnapshot[],
  urgency: Urgency,
): Choice | undefined {
  let best: Choice | undefined;
  for (const snapshot of candidates) {
    const victims = victimsOn(plan, entry, snapshot, urgency);
    if (!victims) continue;
    const fewer = best === undefined ? -1 : victims.length - best.victims.length;
    if (best === undefined || fewer < 0 || (fewer === 0 && ranksBefore(entry, snapshot, best.snapshot))) {
      best = { snapshot, victims };
    }
  }
  return best;
}

/** The idle workloads whose end makes room, the longest idle first; undefined where even all of them are not enough. */
function victimsOn(
  plan: Plan,
  entry: CatalogEntry,
  snapshot: NodeSnapshot,
  urgency: Urgency,
): CatalogEntry[] | undefined {
  const idle = [...snapshot.replicas]
    .map(([name, replica]) => ({ victim: plan.byName.get(name)!, replica }))
    .filter(
      ({ victim, replica }) =>
        plan.mayStop(victim, replica) && (replica.state === 'failing' || plan.replicasOf(victim).length > victim.floor),
    )
    .sort((a, b) => b.replica.idleMs - a.replica.idleMs);
  const victims: CatalogEntry[] = [];
  let freed = NO_RESOURCES;
  while (snapshot.shortageFor(entry.name, urgency, freed, true) !== undefined) {
    const next = idle.shift();
    if (!next) return undefined;
    victims.push(next.victim);
    freed = add(freed, next.replica.reserved);
  }
  // One that was taken early may turn out not to be needed, once a larger one went.
  return victims.filter((victim) => {
    const without = subtract(freed, snapshot.replicas.get(victim.name)!.reserved);
    if (snapshot.shortageFor(entry.name, urgency, without, true) !== undefined) return true;
    freed = without;
    return false;
  });
}

function whyUnmet(plan: Plan, entry: CatalogEntry, candidates: readonly NodeSnapshot[], urgency: Urgency): string {
  const [first] = candidates;
  if (!first) {
    const bound = plan.input.bindings.get(entry.name);
    return bound === undefined
      ? 'no worker that is here may run it'
      : `its data is on ${bound}, which does not run it now`;
  }
  const short = first.shortageFor(entry.name, urgency) ?? 'has no room';
  const others = candidates.length - 1;
  return `no room: ${first.node.id} ${short}${others > 0 ? `, and ${others} more ${others === 1 ? 'has' : 'have'} none either` : ''}`;
}

/** First where the image is present, then of the lowest class that will do, so that GPUs stay free, then by free memory. */
function ranksBefore(entry: CatalogEntry, a: NodeSnapshot, b: NodeSnapshot): boolean {
  const warm = ({ node }: NodeSnapshot) => {
    const eligibility = node.eligibility.get(entry.name);
    return eligibility?.ok && eligibility.warm ? 1 : 0;
  };
  const share = ({ reserved, node: { capacity } }: NodeSnapshot) =>
    capacity.memoryMiB > 0 ? reserved.memoryMiB / capacity.memoryMiB : 1;
  const order = warm(b) - warm(a) || b.node.tier - a.node.tier || share(a) - share(b);
  return order === 0 ? a.node.id < b.node.id : order < 0;
}
