/** How much memory a process holds, where the system tells it of another process (Linux). */
import { readFileSync, writeFileSync } from 'node:fs';

/** `status` tells kibibytes; `statm` tells pages, whose size differs between kernels. */
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
 * Asks Linux to end this process first when the machine's memory runs out, so that a swelling handler never costs
 * the donor another program. Answers whether the system took it; elsewhere there is no such setting.
 */
export function volunteerForOutOfMemoryKill(pid: number): boolean {
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
