/** A donor's caps applied: to the hardware that the pool sees, to containers and to embedded workloads. Pure. */
import { availableParallelism } from 'node:os';
import { type Hardware, hardwareLimits } from '@rma/protocol/hardware';
import type { ContainerSpec } from '@rma/protocol/workload';
import type { Caps } from './worker-file.js';

/** The hardware that the agent may use: each size is min(what there is, its cap), and a note says where the cap is lower. */
export function capHardware(hardware: Hardware, caps: Caps): Hardware {
  const notes = [...hardware.notes];
  const least = (what: string, has: number, cap: number | undefined): number => {
    if (cap === undefined || cap >= has) return has;
    notes.push(`its owner lends ${cap} of ${has} ${what}`);
    return cap;
  };
  const { cpu, memory, disk, gpus } = hardware;
  const { cores, diskMiB, memoryMiB, vramMiB } = caps;
  return {
    ...hardware,
    cpu: {
      ...cpu,
      logicalCores: least('cores', cpu.logicalCores, cores === undefined ? undefined : Math.floor(Math.max(1, cores))),
    },
    memory: { ...memory, totalMiB: least('MiB of memory', memory.totalMiB, memoryMiB) },
    disk: {
      ...disk,
      freeGiB: least('GiB of free disk', disk.freeGiB, diskMiB === undefined ? undefined : Math.floor(diskMiB / 1_024)),
    },
    gpus:
      vramMiB === 0
        ? []
        : gpus.map((gpu) => ({
            ...gpu,
            vramMiB: least(`MiB of VRAM of GPU ${gpu.index}`, gpu.vramMiB, vramMiB),
            ...(gpu.vramFreeMiB === undefined
              ? {}
              : { vramFreeMiB: Math.min(gpu.vramFreeMiB, vramMiB ?? Number.POSITIVE_INFINITY) }),
          })),
    notes: notes.slice(0, hardwareLimits.notes),
  };
}

/**
 * Which cap a container exceeds; `undefined`: none. Cores are not checked: it is given at most as many as the cap allows,
 * and runs slower.
 */
export function exceededCap({ memoryMiB, vramMiB }: Caps, { gpu, resources }: ContainerSpec): string | undefined {
  if (memoryMiB !== undefined && resources.memoryMiB > memoryMiB) {
    return `it needs ${resources.memoryMiB} MiB of memory, and this machine's owner lends ${memoryMiB} (caps.memoryMiB in worker.yaml)`;
  }
  if (gpu && vramMiB === 0) return "this machine's owner lends no GPU (caps.vramMiB in worker.yaml)";
  return undefined;
}

/** Slots of an embedded workload with a cap on cores: max(1, min(half of the machine's cores, the cap)). */
export function embeddedSlots(cores: number, available: number = availableParallelism()): number {
  return Math.max(1, Math.min(Math.floor(available / 2), Math.floor(cores)));
}
