/** Resident memory of other processes, and their order in an out-of-memory kill; Linux only. */
import { readFileSync, writeFileSync } from 'node:fs';

/** `status` has kibibytes; `statm` has pages, whose size differs between kernels. */
const STATUS_FIELD = /^VmRSS:\s+(\d+) kB$/m;

/** Resident memory of a process in MiB, or undefined where it cannot be read (not Linux, or the process has gone). */
export function residentMiB(pid: number): number | undefined {
  if (process.platform !== 'linux') return undefined;
  try {
    const kibibytes = STATUS_FIELD.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
    return kibibytes === undefined ? undefined : Number(kibibytes) / 1024;
  } catch (error) {
    if (isGone(error)) return undefined;
    throw error;
  }
}

/**
 * Makes Linux kill this process first when the machine's memory runs out, so that a growing handler never costs the donor
 * another program. @returns whether that is set; other systems have no such setting
 */
export function preferForOutOfMemoryKill(pid: number): boolean {
  if (process.platform !== 'linux') return false;
  try {
    writeFileSync(`/proc/${pid}/oom_score_adj`, '900');
    return true;
  } catch (error) {
    if (error instanceof Error) return false;
    throw error;
  }
}

function isGone(error: unknown): boolean {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  return code === 'ENOENT' || code === 'ESRCH' || code === 'EACCES';
}
