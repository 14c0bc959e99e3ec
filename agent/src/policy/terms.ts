/** A donor's policy as the rest of the agent and the protocol need it. Pure. */
import { availableParallelism } from 'node:os';
import type { Hardware } from '@rma/protocol/hardware';
import type { DonorPolicy } from '@rma/protocol/workload';
import type { Lending, Terms } from './lending.js';
import type { Caps, Policy } from './worker-file.js';

export function termsOf({ windows, timeZone, idleMinutes, caps }: Policy): Terms {
  return { schedule: { windows, timeZone }, idleMinutes, gpuTemperatureC: caps.gpuTemperatureC };
}

/** What the scheduler is told. */
export function donorPolicy({ windows, timeZone, idleMinutes, caps, allow }: Policy, lending: Lending): DonorPolicy {
  const capped = Object.fromEntries(Object.entries(caps).filter(([, value]) => value !== undefined));
  const { workloads, kinds, images } = allow;
  return {
    paused: lending.state !== 'open',
    ...(lending.state === 'open' ? {} : { reason: lending.reason }),
    ...(windows.length === 0
      ? {}
      : { windows: windows.map(({ days, from, to }) => ({ days: [...days], from, to })), timeZone }),
    ...(idleMinutes === undefined ? {} : { onlyWhenIdle: true }),
    ...(Object.keys(capped).length === 0 ? {} : { caps: capped }),
    ...(workloads === undefined ? {} : { workloads: [...workloads] }),
    ...(kinds === undefined ? {} : { kinds: [...kinds] }),
    ...(images === undefined ? {} : { images: [...images] }),
  };
}

/** Hardware is what the agent may use: no more than the caps, which the notes tell. */
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
    notes: notes.slice(0, 32),
  };
}

/** Processes of one embedded workload at once: as without a cap half of the cores, but never more than are lent. */
export function embeddedSlots(cores: number, available: number = availableParallelism()): number {
  return Math.max(1, Math.min(Math.floor(available / 2), Math.floor(cores)));
}
