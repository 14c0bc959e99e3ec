/** Cores, memory, VRAM and disk: what a workload requires, what a machine offers, what is reserved on it. Pure. */
import type { Gpu, Hardware } from '@rma/protocol/hardware';
import type { DonorPolicy, Engine } from '@rma/protocol/workload';

export interface Resources {
  readonly cores: number;
  readonly memoryMiB: number;
  readonly vramMiB: number;
  readonly diskMiB: number;
}

export const NO_RESOURCES: Resources = { cores: 0, memoryMiB: 0, vramMiB: 0, diskMiB: 0 };

/** The share of a machine's memory that workloads may reserve; the rest is for the system and its user. */
const MEMORY_SHARE = 0.8;

/** Cores may be fractions (0.1 + 0.2): sums are compared with this tolerance. */
const EPSILON = 1e-9;

export function add(a: Resources, b: Resources): Resources {
  return {
    cores: a.cores + b.cores,
    memoryMiB: a.memoryMiB + b.memoryMiB,
    vramMiB: a.vramMiB + b.vramMiB,
    diskMiB: a.diskMiB + b.diskMiB,
  };
}

export function subtract(a: Resources, b: Resources): Resources {
  return {
    cores: a.cores - b.cores,
    memoryMiB: a.memoryMiB - b.memoryMiB,
    vramMiB: a.vramMiB - b.vramMiB,
    diskMiB: a.diskMiB - b.diskMiB,
  };
}

/** What a running workload reserves: its image and volumes are on the disk already, and no longer part of the free room. */
export const withoutDisk = (resources: Resources): Resources => ({ ...resources, diskMiB: 0 });

/** The first resource for which `reserved + required > capacity`, in words; undefined where all fit. */
export function shortage(required: Resources, reserved: Resources, capacity: Resources): string | undefined {
  const short = (name: string, unit: string, wants: number, taken: number, has: number) =>
    wants > 0 && taken + wants > has + EPSILON
      ? `needs ${wants} ${unit}${name}, ${taken > 0 ? `${round(Math.max(0, has - taken))} of ${round(has)} are left` : `it lends ${round(has)}`}`
      : undefined;
  return (
    short('', 'cores', required.cores, reserved.cores, capacity.cores) ??
    short(' of memory', 'MiB', required.memoryMiB, reserved.memoryMiB, capacity.memoryMiB) ??
    short(' of VRAM', 'MiB', required.vramMiB, reserved.vramMiB, capacity.vramMiB) ??
    short(' of disk', 'MiB', required.diskMiB, reserved.diskMiB, capacity.diskMiB)
  );
}

const round = (value: number): number => Math.round(value * 100) / 100;

/** The GPU that placement reckons with: a container gets all of them, but a model is loaded onto one. */
export function largestGpu(hardware: Hardware): Gpu | undefined {
  let largest: Gpu | undefined;
  for (const gpu of hardware.gpus) {
    if (/nvidia/i.test(gpu.vendor) && (!largest || gpu.vramMiB > largest.vramMiB)) largest = gpu;
  }
  return largest;
}

/** What a machine offers to all workloads together: its hardware, within the caps of its donor's policy. */
export function capacityOf(hardware: Hardware, engine: Engine | undefined, policy: DonorPolicy | undefined): Resources {
  const caps = policy?.caps;
  const disk = engine?.diskFreeMiB ?? Math.floor(hardware.disk.freeGiB * 1_024);
  return {
    cores: Math.min(hardware.cpu.logicalCores, caps?.cores ?? Infinity),
    memoryMiB: Math.min(Math.floor(hardware.memory.totalMiB * MEMORY_SHARE), caps?.memoryMiB ?? Infinity),
    vramMiB: Math.min(largestGpu(hardware)?.vramMiB ?? 0, caps?.vramMiB ?? Infinity),
    diskMiB: Math.min(disk, caps?.diskMiB ?? Infinity),
  };
}
