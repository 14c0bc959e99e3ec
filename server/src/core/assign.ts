/** Which tier a worker has, and which of the workloads that it could run it shall run. Pure. */
import type { Hardware } from '@rma/protocol/hardware';
import { classify, type Tier } from '@rma/protocol/tiers';
import type { Assignment, Available } from '@rma/protocol/worker';

/** Memory that is left to the machine itself. */
const MEMORY_SHARE = 0.8;

/** Embedded workloads state their own needs and run on any tier: each is assigned while it fits beside the others. */
export function assign(hardware: Hardware, available: readonly Available[], pinned: Tier | null): Assignment {
  const { tier, reasons } = classify(hardware);
  const budgetMiB = Math.floor(hardware.memory.totalMiB * MEMORY_SHARE);
  const workloads: Assignment['workloads'] = [];
  const declined: Assignment['declined'] = [];
  let usedMiB = 0;
  for (const { workload, cores, memoryMiB } of available) {
    if (cores > hardware.cpu.logicalCores) {
      const reason = `needs ${cores} cores, the machine lends ${hardware.cpu.logicalCores}`;
      declined.push({ workload, reason });
    } else if (usedMiB + memoryMiB > budgetMiB) {
      const reason = `needs ${memoryMiB} MiB, ${Math.max(0, budgetMiB - usedMiB)} MiB of ${budgetMiB} are left`;
      declined.push({ workload, reason });
    } else {
      usedMiB += memoryMiB;
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
