/**
 * How much of the host this process may use: min(host, CPU affinity, cgroup limits), with a note per limit. Pure over the
 * read-file port.
 */
import {
  type CpuLimit,
  type MemoryLimit,
  type ReadFile,
  readAllowedCpus,
  readCpuLimit,
  readMemoryLimit,
} from './cgroup.js';

/** The whole machine, as the operating system reports it. */
export interface Host {
  readonly logicalCores: number;
  readonly memoryBytes: number;
}

export interface Usable {
  /** More than 0; a fraction where a quota is one. */
  readonly cores: number;
  readonly memoryMiB: number;
  /** The CPUs allowed to this process, unless all are. */
  readonly allowedCpus?: readonly number[];
  /** Present if the quota determines `cores`. */
  readonly cpuLimit?: CpuLimit;
  /** Present if the cgroup determines `memoryMiB`. */
  readonly memoryLimit?: MemoryLimit;
  readonly notes: readonly string[];
}

const mib = 2 ** 20;

export function usableOf(host: Host, read: ReadFile): Usable {
  const notes: string[] = [];
  const hostCores = Math.max(1, host.logicalCores);
  const allowed = readAllowedCpus(read);
  const pinned = allowed !== undefined && allowed.length > 0 && allowed.length < hostCores ? allowed : undefined;
  const runnable = pinned?.length ?? hostCores;
  if (pinned) notes.push(`limited to ${inWords(pinned.length)} of ${hostCores} by CPU affinity`);

  const quota = readCpuLimit(read);
  const cpuLimit = quota !== undefined && quota.cores < runnable ? quota : undefined;
  const cores = cpuLimit ? Math.max(0.01, Math.round(cpuLimit.cores * 100) / 100) : runnable;
  if (cpuLimit) notes.push(`limited to ${inWords(cores)} by cgroup v${cpuLimit.version}`);

  const group = readMemoryLimit(read);
  const memoryLimit = group !== undefined && group.bytes < host.memoryBytes ? group : undefined;
  const memoryMiB = Math.floor((memoryLimit?.bytes ?? host.memoryBytes) / mib);
  if (memoryLimit) notes.push(`limited to ${memoryMiB} MiB of memory by cgroup v${memoryLimit.version}`);

  return {
    cores,
    memoryMiB,
    ...(pinned && { allowedCpus: pinned }),
    ...(cpuLimit && { cpuLimit }),
    ...(memoryLimit && { memoryLimit }),
    notes,
  };
}

const inWords = (cores: number) => `${cores} ${cores === 1 ? 'core' : 'cores'}`;
