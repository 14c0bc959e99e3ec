/**
 * A worker's assignment: its tier, the catalogue workloads that placement put there, and, in the memory that they leave,
 * best-effort ones: embedded workloads that run wherever they fit, so that a machine is useful from its first minute. Pure.
 */
import { isTrustedKind } from '@rma/protocol/catalog';
import { classify, type Tier } from '@rma/protocol/tiers';
import type { Assignment, Available } from '@rma/protocol/worker';
import type { CatalogState } from './catalog-state.js';
import { type Eligible, type Machine, policyRefusal } from './eligibility.js';
import { capacityOf } from './resources.js';

export interface PlacedWorkload {
  readonly workload: string;
  readonly reason: string;
  readonly eligibility: Eligible;
}

export function assign(
  machine: Machine,
  pinned: Tier | null,
  placed: readonly PlacedWorkload[],
  catalog: CatalogState,
): Assignment {
  const { tier, reasons } = classify(machine.hardware);
  const workloads: Assignment['workloads'] = [];
  const declined: Assignment['declined'] = [];
  let reservedMiB = 0;
  for (const { workload, reason, eligibility } of placed) {
    reservedMiB += eligibility.reserves.memoryMiB;
    const embedded = catalog.byName.get(workload)?.embedded ?? workload;
    if (eligibility.container) workloads.push({ workload, reason, container: eligibility.container });
    else workloads.push({ workload: embedded, reason });
  }
  const assigned = new Set(workloads.map(({ workload }) => workload));
  const budgetMiB = capacityOf(machine.hardware, machine.engine, machine.policy).memoryMiB;
  for (const available of machine.available) {
    const { workload, cores, memoryMiB } = available;
    if (assigned.has(workload)) continue;
    const refusal = bestEffortRefusal(available, machine, catalog);
    if (refusal !== undefined) {
      declined.push({ workload, reason: refusal });
    } else if (cores > machine.hardware.cpu.logicalCores) {
      const reason = `needs ${cores} cores, the machine lends ${machine.hardware.cpu.logicalCores}`;
      declined.push({ workload, reason });
    } else if (reservedMiB + memoryMiB > budgetMiB) {
      const reason = `needs ${memoryMiB} MiB, ${Math.max(0, budgetMiB - reservedMiB)} MiB of ${budgetMiB} are left`;
      declined.push({ workload, reason });
    } else {
      reservedMiB += memoryMiB;
      workloads.push({ workload, reason: `fits: ${cores} cores, ${memoryMiB} MiB` });
    }
  }
  return {
    tier: pinned ?? tier,
    pinned: pinned !== null,
    reasons: pinned === null ? reasons : [`tier ${pinned}: pinned by an admin`, ...reasons],
    workloads,
    declined,
  };
}

/** Why an embedded workload is not run as best effort; undefined where it is. */
export function bestEffortRefusal(
  { workload, kinds }: Available,
  { trusted, policy }: Machine,
  catalog: CatalogState,
): string | undefined {
  const entries = catalog.entries.filter(({ name, embedded }) => name === workload || embedded === workload);
  if (entries.length > 0 && !entries.some(({ everywhere }) => everywhere)) return 'runs where the catalogue wants it';
  if (entries.length === 0 && kinds.length === 0) return 'is not in the catalogue';
  if (!trusted && (entries.some((entry) => entry.trusted) || kinds.some(isTrustedKind))) {
    return 'runs on trusted machines only';
  }
  return policyRefusal(policy, workload, kinds);
}
