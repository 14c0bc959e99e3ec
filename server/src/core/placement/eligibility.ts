/** Whether a machine may run a workload, and in which runtime: in a container, embedded in the agent, or not and why. Pure. */
import type { CatalogEntry } from '@rma/protocol/catalog';
import type { Hardware } from '@rma/protocol/hardware';
import { imageMatches } from '@rma/protocol/image-pattern';
import type { Tier } from '@rma/protocol/tiers';
import type { Available } from '@rma/protocol/worker';
import type { ContainerSpec, DonorPolicy, Engine } from '@rma/protocol/workload';
import { capacityOf, largestGpu, NO_RESOURCES, type Resources, shortage } from './resources.js';

export type PlacedRuntime = 'docker' | 'embedded';

/** A worker's hardware, software and policy, without what runs on it. */
export interface Machine {
  readonly tier: Tier | null;
  readonly trusted: boolean;
  readonly hardware: Hardware;
  readonly available: readonly Available[];
  readonly engine: Engine | undefined;
  readonly policy: DonorPolicy | undefined;
}

export type Eligibility = Eligible | { readonly ok: false; readonly reason: string };

export interface Eligible {
  readonly ok: true;
  readonly runtime: PlacedRuntime;
  /** What must be free for it to start. */
  readonly requires: Resources;
  /** What it reserves once it runs; `reserves >= requires`, more where it takes the whole GPU. */
  readonly reserves: Resources;
  readonly container: ContainerSpec | null;
  /** Its image is on the machine already. */
  readonly warm: boolean;
}

const no = (reason: string): Eligibility => ({ ok: false, reason });

/** @param bound the runtime in which the workload's data lies, if it has any: only that one is eligible */
export function eligibilityOf(entry: CatalogEntry, machine: Machine, bound?: PlacedRuntime): Eligibility {
  if (entry.trusted && !machine.trusted) return no('is not trusted');
  const refusal = policyRefusal(machine.policy, entry.name, entry.kinds);
  if (refusal !== undefined) return no(refusal);
  if (entry.everywhere && machine.available.some(({ workload }) => workload === entry.embedded)) {
    return no('serves these kinds embedded already');
  }
  const container = () => inContainer(entry, machine);
  const embedded = () => inAgent(entry, machine);
  if (bound) return bound === 'docker' ? container() : embedded();
  const [first, second] = entry.prefer === 'embedded' ? [embedded, container] : [container, embedded];
  const preferred = first();
  if (preferred.ok) return preferred;
  const other = second();
  if (other.ok) return other;
  // The container's reason says more to an admin: "has no NVIDIA GPU" rather than "does not bring 'llm' along".
  return entry.container ? container() : embedded();
}

/** Why a donor's policy keeps a workload out; undefined where it allows it. */
export function policyRefusal(
  policy: DonorPolicy | undefined,
  workload: string,
  kinds: readonly string[],
): string | undefined {
  if (policy?.workloads && !policy.workloads.includes(workload)) return 'its donor does not lend it to this workload';
  if (policy?.kinds && kinds.length > 0 && !kinds.some((kind) => policy.kinds?.includes(kind))) {
    return 'its donor does not lend it to these task kinds';
  }
  return undefined;
}

function inContainer(entry: CatalogEntry, machine: Machine): Eligibility {
  const { container } = entry;
  if (!container) return no('the catalogue has no container for it');
  const { hardware, engine, policy } = machine;
  const gpu = largestGpu(hardware);
  if (container.gpu && !gpu) return no('has no NVIDIA GPU');
  const tier = tierMismatch(entry, machine);
  if (tier) return no(tier);
  if (!engine) return no('has no container engine');
  if (container.gpu && !engine.gpu) return no('its container engine lacks the NVIDIA runtime');
  if (policy?.images && !policy.images.some((pattern) => imageMatches(pattern, container.image))) {
    return no(`its donor does not allow the image ${container.image}`);
  }
  const { cores, memoryMiB, vramMiB = 0, diskMiB = 0 } = container.resources;
  const capacity = capacityOf(hardware, engine, policy);
  const warm = container.digest !== undefined && engine.images?.includes(container.digest) === true;
  const requires: Resources = { cores, memoryMiB, vramMiB, diskMiB: warm ? 0 : diskMiB };
  const short = shortage(requires, NO_RESOURCES, capacity);
  if (short) return no(short);
  const kinds = policy?.kinds ? container.kinds.filter((kind) => policy.kinds?.includes(kind)) : container.kinds;
  return {
    ok: true,
    runtime: 'docker',
    requires,
    reserves: entry.wholeGpu ? { ...requires, vramMiB: capacity.vramMiB } : requires,
    container: kinds.length === container.kinds.length ? container : { ...container, kinds },
    warm,
  };
}

function inAgent(entry: CatalogEntry, machine: Machine): Eligibility {
  if (entry.embedded === null) return no('the catalogue has no embedded form of it');
  const available = machine.available.find(({ workload }) => workload === entry.embedded);
  if (!available) return no(`its agent does not bring '${entry.embedded}' along`);
  // A tier binds only services that others connect to: tasks run on any machine that can.
  const tier = entry.kinds.length === 0 ? tierMismatch(entry, machine) : undefined;
  if (tier) return no(tier);
  const capacity = capacityOf(machine.hardware, machine.engine, machine.policy);
  const { cores, memoryMiB } = available;
  const short = shortage({ ...NO_RESOURCES, cores, memoryMiB }, NO_RESOURCES, capacity);
  if (short) return no(short);
  // Embedded handlers share the machine's cores: they reserve memory only.
  const requires: Resources = { ...NO_RESOURCES, memoryMiB };
  return { ok: true, runtime: 'embedded', requires, reserves: requires, container: null, warm: true };
}

function tierMismatch(entry: CatalogEntry, machine: Machine): string | undefined {
  if (entry.tier === null || (machine.tier !== null && machine.tier <= entry.tier)) return undefined;
  return `is of ${machine.tier === null ? 'no tier' : `tier ${machine.tier}`}, needs tier ${entry.tier}`;
}
