/** What a workload needs and what a machine lends, in the same four figures. */
import type { Gpu, Hardware } from '@rma/protocol/hardware';
import type { DonorPolicy, Engine } from '@rma/protocol/workload';

export interface Need {
  readonly cores: number;
  readonly memoryMiB: number;
  readonly vramMiB: number;
  readonly diskMiB: number;
}

export const NOTHING: Need = { cores: 0, memoryMiB: 0, vramMiB: 0, diskMiB: 0 };

/** Memory that is left to the machine itself. */
const MEMORY_SHARE = 0.8;

export function plus(a: Need, b: Need): Need {
  return {
    cores: a.cores + b.cores,
    memoryMiB: a.memoryMiB + b.memoryMiB,
    vramMiB: a.vramMiB + b.vramMiB,
    diskMiB: a.diskMiB + b.diskMiB,
  };
}

/** What does not fit, in words; undefined when all does. */
export function lacking(need: Need, used: Need, room: Need): string | undefined {
  const lack = (name: string, unit: string, wants: number, taken: number, has: number) =>
    wants > 0 && taken + wants > has + 1e-9
      ? `needs ${wants} ${unit}${name}, ${taken > 0 ? `${round(Math.max(0, has - taken))} of ${round(has)} are left` : `it lends ${round(has)}`}`
      : undefined;
  return (
    lack('', 'cores', need.cores, used.cores, room.cores) ??
    lack(' of memory', 'MiB', need.memoryMiB, used.memoryMiB, room.memoryMiB) ??
    lack(' of VRAM', 'MiB', need.vramMiB, used.vramMiB, room.vramMiB) ??
    lack(' of disk', 'MiB', need.diskMiB, used.diskMiB, room.diskMiB)
  );
}

const round = (value: number): number => Math.round(value * 100) / 100;

/** The GPU that counts: containers get all of them, a model goes onto one. */
export function largestGpu(hardware: Hardware): Gpu | undefined {
  let largest: Gpu | undefined;
  for (const gpu of hardware.gpus) {
    if (/nvidia/i.test(gpu.vendor) && (!largest || gpu.vramMiB > largest.vramMiB)) largest = gpu;
  }
  return largest;
}

/** What a machine lends to all that runs on it, within its donor's caps. */
export function roomOf(hardware: Hardware, engine: Engine | undefined, policy: DonorPolicy | undefined): Need {
  const caps = policy?.caps;
  const disk = engine?.diskFreeMiB ?? Math.floor(hardware.disk.freeGiB * 1_024);
  return {
    cores: Math.min(hardware.cpu.logicalCores, caps?.cores ?? Number.POSITIVE_INFINITY),
    memoryMiB: Math.min(Math.floor(hardware.memory.totalMiB * MEMORY_SHARE), caps?.memoryMiB ?? Infinity),
    vramMiB: Math.min(largestGpu(hardware)?.vramMiB ?? 0, caps?.vramMiB ?? Infinity),
    diskMiB: Math.min(disk, caps?.diskMiB ?? Infinity),
  };
}
