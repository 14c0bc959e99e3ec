/**
 * Samples the machine's load: CPU of the usable cores since the last sample, memory, temperature, GPUs. Cheap enough for
 * every 5 s: it reads files and counters, and starts programs (nvidia-smi, sensors) only where their last run succeeded.
 */
import os from 'node:os';
import type { GpuLoad, LoadSample } from '@rma/protocol/hardware';
import { type ReadFile, readCpuUsageUs, readMemoryUsedBytes } from './cgroup.js';
import { readGpuLoads } from './gpu.js';
import { nvidiaSmi, type RunSmi } from './nvidia-smi.js';
import { readSmallFile } from './read-file.js';
import { cpuTemperatureC, hostMemoryUsedBytes } from './system.js';
import { type Usable, usableOf } from './usable.js';

/** Where a sample is measured; the defaults are the real machine. */
export interface LoadSources {
  readonly read: ReadFile;
  readonly smi: RunSmi;
  readonly nowMs: () => number;
  readonly cpus: () => readonly os.CpuInfo[];
  readonly memoryBytes: () => number;
  readonly hostMemoryUsedBytes: () => Promise<number>;
  readonly temperatureC: () => Promise<number | undefined>;
}

/** CPU time so far, in µs: used, and available. */
interface CpuReading {
  /** What is measured: readings of different sources (a limit was set or removed) cannot be compared. */
  readonly of: string;
  readonly usedUs: number;
  readonly availableUs: number;
}

const firstPeriodMs = 250;
const shortestPeriodMs = 100;
const minuteMs = 60_000;
// Reading a temperature starts PowerShell on Windows, which costs more than the rest of a sample.
const temperatureEveryMs = process.platform === 'win32' ? minuteMs : 0;
const mib = 2 ** 20;

/** A sampler that keeps its last reading to compare with. Concurrent calls share one sample. Never rejects. */
export function createLoadSampler(overrides: Partial<LoadSources> = {}): () => Promise<LoadSample> {
  const sources: LoadSources = {
    read: readSmallFile,
    smi: nvidiaSmi({ timeoutMs: 4000 }),
    nowMs: () => performance.now(),
    cpus: () => os.cpus(),
    memoryBytes: () => os.totalmem(),
    hostMemoryUsedBytes,
    temperatureC: cpuTemperatureC,
    ...overrides,
  };
  const temperature = cached(sources, async () => {
    const value = await sources.temperatureC();
    return { value, againInMs: value === undefined ? 10 * minuteMs : temperatureEveryMs };
  });
  const gpus = cached(sources, async () => {
    const { status, gpus } = await readGpuLoads(sources.smi);
    return { value: gpus, againInMs: { ok: 0, failed: minuteMs, absent: 10 * minuteMs }[status] };
  });

  let last: { readonly atMs: number; readonly reading: CpuReading } | undefined;
  let cpu = 0;
  const sampleCpu = async (usable: Usable): Promise<number> => {
    if (last === undefined) {
      last = { atMs: sources.nowMs(), reading: readCpu(sources, usable) };
      await new Promise((resolve) => setTimeout(resolve, firstPeriodMs));
    } else if (sources.nowMs() - last.atMs < shortestPeriodMs) {
      return cpu; // counters tick every 10 ms: a shorter period is too coarse
    }
    const next = { atMs: sources.nowMs(), reading: readCpu(sources, usable) };
    if (last.reading.of === next.reading.of) cpu = share(last.reading, next.reading);
    last = next;
    return cpu;
  };

  const sample = async (): Promise<LoadSample> => {
    const usable = usableOf({ logicalCores: sources.cpus().length, memoryBytes: sources.memoryBytes() }, sources.read);
    const [cpu, memoryUsedBytes, temperatureC, gpuLoads] = await Promise.all([
      sampleCpu(usable),
      memoryUsed(sources, usable),
      temperature(),
      gpus(),
    ]);
    return {
      cpu: Math.round(cpu * 1000) / 1000,
      memoryUsedMiB: Math.round(memoryUsedBytes / mib),
      ...(temperatureC !== undefined && { temperatureC }),
      gpus: gpuLoads ?? ([] as GpuLoad[]),
    };
  };

  let current: Promise<LoadSample> | undefined;
  return () => {
    current ??= sample().finally(() => {
      current = undefined;
    });
    return current;
  };
}

/** A sample of this machine; the first takes a quarter of a second, for a second reading to compare with. */
export const sampleLoad: () => Promise<LoadSample> = createLoadSampler();

/** Used / available CPU time between two readings, 0 to 1. */
function share(before: CpuReading, after: CpuReading): number {
  const availableUs = after.availableUs - before.availableUs;
  return availableUs > 0 ? Math.min(1, Math.max(0, (after.usedUs - before.usedUs) / availableUs)) : 0;
}

/** Under a quota the group's own usage; otherwise the usage of all processes on the CPUs allowed to this one. */
function readCpu(sources: LoadSources, usable: Usable): CpuReading {
  const usedUs = usable.cpuLimit && readCpuUsageUs(sources.read, usable.cpuLimit);
  if (usedUs !== undefined) {
    const of = `${usable.cores} of ${usable.cpuLimit?.usageFile}`;
    return { of, usedUs, availableUs: sources.nowMs() * 1000 * usable.cores };
  }
  let idleMs = 0;
  let totalMs = 0;
  sources.cpus().forEach(({ times }, index) => {
    if (usable.allowedCpus && !usable.allowedCpus.includes(index)) return;
    idleMs += times.idle;
    totalMs += times.user + times.nice + times.sys + times.irq + times.idle;
  });
  const of = usable.allowedCpus?.join() ?? 'all';
  return { of, usedUs: (totalMs - idleMs) * 1000, availableUs: totalMs * 1000 };
}

async function memoryUsed(sources: LoadSources, usable: Usable): Promise<number> {
  const inGroup = usable.memoryLimit && readMemoryUsedBytes(sources.read, usable.memoryLimit);
  return inGroup ?? (await sources.hostMemoryUsedBytes().catch(() => sources.memoryBytes() - os.freemem()));
}

/** Caches a source's value for as long as the source says; `undefined` after a failure. */
function cached<T>(
  sources: LoadSources,
  ask: () => Promise<{ readonly value: T; readonly againInMs: number }>,
): () => Promise<T | undefined> {
  let value: T | undefined;
  let againAtMs = Number.NEGATIVE_INFINITY;
  return async () => {
    if (sources.nowMs() < againAtMs) return value;
    const answer = await ask().catch(() => ({ value: undefined, againInMs: 10 * minuteMs }));
    value = answer.value;
    againAtMs = sources.nowMs() + answer.againInMs;
    return value;
  };
}
