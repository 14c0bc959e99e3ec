/** Whether a machine may run a workload, and in which form: in a container, embedded in the agent, or not and why. Pure. */
import type { CatalogEntry } from '@rma/protocol/catalog';
import type { Hardware } from '@rma/protocol/hardware';
import { imageMatches } from '@rma/protocol/image-pattern';
import type { Tier } from '@rma/protocol/tiers';
import type { Available } from '@rma/protocol/worker';
import type { ContainerSpec, DonorPolicy, Engine } from '@rma/protocol/workload';
import { lacking, largestGpu, type Need, NOTHING, roomOf } from './need.js';

export type PlacedRuntime = 'docker' | 'embedded';

/** What placement knows of a worker, beside what runs there. */
export interface Machine {
  readonly tier: Tier | null;
  readonly trusted: boolean;
  readonly hardware: Hardware;
  readonly available: readonly Available[];
  readonly engine: Engine | undefined;
  readonly policy: DonorPolicy | undefined;
}

export type Form =
  | {
      readonly ok: true;
      readonly runtime: PlacedRuntime;
      /** What must be free for it to begin. */
      readonly need: Need;
      /** What it holds once it runs: more than it needs where it takes the whole GPU. */
      readonly takes: Need;
      readonly container: ContainerSpec | null;
      /** The image is here already. */
      readonly warm: boolean;
    }
  | { readonly ok: false; readonly reason: string };

const no = (reason: string): Form => ({ ok: false, reason });

/** @param bound the runtime that holds the workload's data, where it has any: no other will do */
export function formOf(entry: CatalogEntry, machine: Machine, bound?: PlacedRuntime): Form {
  const { policy } = machine;
  if (entry.trusted && !machine.trusted) return no('is not trusted');
  if (policy?.workloads && !policy.workloads.includes(entry.name))
    return no('its donor does not lend it to this workload');
  if (policy?.kinds && entry.kinds.length > 0 && !entry.kinds.some((kind) => policy.kinds?.includes(kind))) {
    return no('its donor does not lend it to these task kinds');
  }
  if (entry.everywhere && machine.available.some(({ workload }) => workload === entry.embedded)) {
    return no('serves these kinds embedded already');
  }
  const container = () => containerForm(entry, machine);
  const embedded = () => embeddedForm(entry, machine);
  if (bound) return bound === 'docker' ? container() : embedded();
  const [first, second] = entry.prefer === 'embedded' ? [embedded, container] : [container, embedded];
  const one = first();
  if (one.ok) return one;
  const other = second();
  // What the entry is for tells most: "no NVIDIA GPU" rather than "brings no such handler".
  if (other.ok) return other;
  return entry.container ? container() : embedded();
}

function containerForm(entry: CatalogEntry, machine: Machine): Form {
  const { container } = entry;
  if (!container) return no('the catalogue has no container for it');
  const { hardware, engine, policy } = machine;
  const gpu = largestGpu(hardware);
  if (container.gpu && !gpu) return no('has no NVIDIA GPU');
  const tier = tierFault(entry, machine);
  if (tier) return no(tier);
  if (!engine) return no('has no container engine');
  if (container.gpu && !engine.gpu) return no('its container engine lacks the NVIDIA runtime');
  if (policy?.images && !policy.images.some((pattern) => imageMatches(pattern, container.image))) {
    return no(`its donor does not allow the image ${container.image}`);
  }
  const { cores, memoryMiB, vramMiB = 0, diskMiB = 0 } = container.resources;
  const room = roomOf(hardware, engine, policy);
  const warm = container.digest !== undefined && engine.images?.includes(container.digest) === true;
  const need: Need = { cores, memoryMiB, vramMiB, diskMiB: warm ? 0 : diskMiB };
  const lack = lacking(need, NOTHING, room);
  if (lack) return no(lack);
  const kinds = policy?.kinds ? container.kinds.filter((kind) => policy.kinds?.includes(kind)) : container.kinds;
  return {
    ok: true,
    runtime: 'docker',
    need,
    takes: entry.wholeGpu ? { ...need, vramMiB: room.vramMiB } : need,
    container: kinds.length === container.kinds.length ? container : { ...container, kinds },
    warm,
  };
}

function embeddedForm(entry: CatalogEntry, machine: Machine): Form {
  if (entry.embedded === null) return no('the catalogue has no embedded form of it');
  const brought = machine.available.find(({ workload }) => workload === entry.embedded);
  if (!brought) return no(`its agent does not bring '${entry.embedded}' along`);
  // Task kinds run on any machine that can; a service that others connect to is of its tier.
  const tier = entry.kinds.length === 0 ? tierFault(entry, machine) : undefined;
  if (tier) return no(tier);
  const room = roomOf(machine.hardware, machine.engine, machine.policy);
  const { cores, memoryMiB } = brought;
  const lack = lacking({ ...NOTHING, cores, memoryMiB }, NOTHING, room);
  if (lack) return no(lack);
  // Embedded handlers share the cores; what they hold is memory.
  const need: Need = { ...NOTHING, memoryMiB };
  return { ok: true, runtime: 'embedded', need, takes: need, container: null, warm: true };
}

function tierFault(entry: CatalogEntry, machine: Machine): string | undefined {
  if (entry.tier === null || (machine.tier !== null && machine.tier <= entry.tier)) return undefined;
  return `is of ${machine.tier === null ? 'no tier' : `tier ${machine.tier}`}, needs tier ${entry.tier}`;
}
