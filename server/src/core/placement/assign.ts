/**
 * A worker's assignment: its tier, the catalogue workloads that placement put there, and, in what memory they leave, the
 * embedded ones that run wherever they fit, so that a machine is useful from its first minute. Pure.
 */
import { isTrustedKind } from '@rma/protocol/catalog';
import { classify, type Tier } from '@rma/protocol/tiers';
import type { Assignment, Available } from '@rma/protocol/worker';
import type { CatalogState } from './catalog-state.js';
import type { Form, Machine } from './form.js';
import { NOTHING, plus, roomOf } from './need.js';

export interface PlacedForm {
  readonly workload: string;
  readonly reason: string;
  readonly form: Form & { readonly ok: true };
}

export function assign(
  machine: Machine,
  pinned: Tier | null,
  placed: readonly PlacedForm[],
  catalog: CatalogState,
): Assignment {
  const { tier, reasons } = classify(machine.hardware);
  const workloads: Assignment['workloads'] = [];
  const declined: Assignment['declined'] = [];
  let used = NOTHING;
  for (const { workload, reason, form } of placed) {
    used = plus(used, form.takes);
    const embedded = catalog.byName.get(workload)?.embedded ?? workload;
    if (form.container) workloads.push({ workload, reason, container: form.container });
    else workloads.push({ workload: embedded, reason });
  }
  const taken = new Set(workloads.map(({ workload }) => workload));
  const budgetMiB = roomOf(machine.hardware, machine.engine, machine.policy).memoryMiB;
  let usedMiB = used.memoryMiB;
  for (const available of machine.available) {
    const { workload, cores, memoryMiB } = available;
    if (taken.has(workload)) continue;
    const refusal = fillerRefusal(available, machine, catalog);
    if (refusal !== undefined) {
      declined.push({ workload, reason: refusal });
    } else if (cores > machine.hardware.cpu.logicalCores) {
      const reason = `needs ${cores} cores, the machine lends ${machine.hardware.cpu.logicalCores}`;
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

/** Why an embedded workload does not simply run where it fits; undefined where it does. */
export function fillerRefusal(
  { workload, kinds }: Available,
  { trusted, policy }: Machine,
  catalog: CatalogState,
): string | undefined {
  const entries = catalog.entries.filter(({ embedded }) => embedded === workload);
  if (entries.length > 0 && !entries.some(({ everywhere }) => everywhere)) return 'runs where the catalogue wants it';
  if (entries.length === 0 && kinds.length === 0) return 'is not in the catalogue';
  if (!trusted && (entries.some((entry) => entry.trusted) || kinds.some(isTrustedKind))) {
    return 'runs on trusted machines only';
  }
  if (policy?.workloads && !policy.workloads.includes(workload)) return 'its donor does not lend it to this workload';
  if (policy?.kinds && kinds.length > 0 && !kinds.some((kind) => policy.kinds?.includes(kind))) {
    return 'its donor does not lend it to these task kinds';
  }
  return undefined;
}
