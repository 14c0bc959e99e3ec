/**
 * Tiers: what class of work a machine's hardware admits. A pure function of the figures, with the
 * reasons in plain words. Tier 1 includes 2, 2 includes 3: the highest that qualifies is the machine's.
 */
import type { Gpu, Hardware } from './hardware.js';

/** 1 GPU, 2 service (CPU), 3 data. */
export type Tier = 1 | 2 | 3;

/** A machine's tier, or `null` for one that only runs embedded kinds and its owner's handlers. */
export interface Classification {
  readonly tier: Tier | null;
  /**
   * One line per thing lacking for each higher tier, highest tier first, then what the reached tier rests on
   * and, where a tier 1 or 2 machine has too little free disk for data services, that.
   */
  readonly reasons: string[];
}

interface Needs {
  readonly cores: number;
  readonly memoryGiB: number;
  readonly vramGiB?: number;
  readonly diskGB?: number;
}

/** The requirements of each tier, in nominal (marketed) figures. */
export const tierNeeds: Readonly<Record<Tier, Needs>> = {
  1: { cores: 8, memoryGiB: 16, vramGiB: 8 },
  2: { cores: 4, memoryGiB: 8 },
  3: { cores: 2, memoryGiB: 4, diskGB: 10 },
};

/**
 * Memory counts from this share of its nominal size: an "8 GB" card reports 8,188 MiB and less, and a
 * "16 GB" machine about 15.5 GiB, since firmware, the kernel and integrated graphics take theirs first.
 */
export const nominalShare = 0.93;

/** A decimal gigabyte in GiB. */
const gibPerGb = 1e9 / 2 ** 30;

const order: readonly Tier[] = [1, 2, 3];
const figures = new Intl.NumberFormat('en-US', { maximumFractionDigits: 2 });
// Truncated, not rounded: no reason may read "10 GB, needs 10 GB".
const number = (value: number) => figures.format(Math.floor(value * 100 + 1e-6) / 100);
const cores = (count: number) => `${number(count)} ${count === 1 ? 'core' : 'cores'}`;
const enough = (haveMiB: number, needGiB: number) => haveMiB >= needGiB * 1024 * nominalShare;
const diskGB = (hardware: Hardware) => hardware.disk.freeGiB / gibPerGb;

/**
 * The highest tier that the hardware qualifies for, and why not a higher one.
 * Total VRAM (of the largest single NVIDIA GPU) and memory are measured at {@link nominalShare} of the
 * nominal figure; free VRAM is placement's business, not the tier's.
 */
export function classify(hardware: Hardware): Classification {
  const reasons: string[] = [];
  for (const tier of order) {
    const lacking = lacks(hardware, tierNeeds[tier]);
    if (lacking.length === 0) {
      reasons.push(`tier ${tier}: ${basis(hardware, tierNeeds[tier])}`);
      const free = diskGB(hardware);
      const dataGB = tierNeeds[3].diskGB ?? 0;
      if (tier !== 3 && free < dataGB) {
        reasons.push(`data services: ${number(free)} GB of free disk, need ${number(dataGB)} GB`);
      }
      return { tier, reasons };
    }
    reasons.push(...lacking.map((lack) => `tier ${tier}: ${lack}`));
  }
  return { tier: null, reasons };
}

function lacks(hardware: Hardware, needs: Needs): string[] {
  const lacking: string[] = [];
  if (needs.vramGiB !== undefined) {
    const gpu = largestNvidia(hardware);
    if (gpu === undefined) lacking.push('no NVIDIA GPU');
    else if (!enough(gpu.vramMiB, needs.vramGiB)) {
      lacking.push(`${number(gpu.vramMiB)} MiB VRAM, needs ${number(needs.vramGiB)} GiB`);
    }
  }
  if (hardware.cpu.logicalCores < needs.cores) {
    lacking.push(`${cores(hardware.cpu.logicalCores)}, needs ${number(needs.cores)}`);
  }
  if (!enough(hardware.memory.totalMiB, needs.memoryGiB)) {
    lacking.push(`${number(hardware.memory.totalMiB)} MiB of memory, needs ${number(needs.memoryGiB)} GiB`);
  }
  if (needs.diskGB !== undefined && diskGB(hardware) < needs.diskGB) {
    lacking.push(`${number(diskGB(hardware))} GB of free disk, needs ${number(needs.diskGB)} GB`);
  }
  return lacking;
}

function basis(hardware: Hardware, needs: Needs): string {
  const gpu = needs.vramGiB === undefined ? undefined : largestNvidia(hardware);
  return [
    ...(gpu === undefined ? [] : [`${gpu.name} with ${number(gpu.vramMiB)} MiB VRAM`]),
    cores(hardware.cpu.logicalCores),
    `${number(hardware.memory.totalMiB)} MiB of memory`,
    ...(needs.diskGB === undefined ? [] : [`${number(diskGB(hardware))} GB of free disk`]),
  ].join(', ');
}

function largestNvidia(hardware: Hardware): Gpu | undefined {
  return hardware.gpus
    .filter((gpu) => /nvidia/i.test(gpu.vendor))
    .reduce<Gpu | undefined>((best, gpu) => (best && best.vramMiB >= gpu.vramMiB ? best : gpu), undefined);
}
