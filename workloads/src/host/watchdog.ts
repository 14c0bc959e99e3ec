/**
 * A thread in the handler process that kills it when the agent is gone or the memory limit is exceeded, also while a
 * handler blocks the main thread in an endless loop.
 */
import { rmSync, writeSync } from 'node:fs';
import { isMainThread, workerData } from 'node:worker_threads';

/** What the main thread hands over. */
export interface WatchdogData {
  readonly parentPid: number;
  readonly memoryMiB: number;
  /** The agent's scratch directory; removed here when the agent is gone. */
  readonly home: string | undefined;
}

/** Written to standard error before a kill for memory; the agent recognises the cause by it. */
export const MEMORY_NOTICE = 'rma-watchdog: memory limit passed';

const CHECK_EVERY_MS = 500;

/** An orphan is re-parented, so its ppid changes; on Windows the ppid stays and names no process. */
function parentHasGone(parentPid: number): boolean {
  if (process.ppid !== parentPid) return true;
  try {
    process.kill(parentPid, 0);
    return false;
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'ESRCH';
  }
}

/** Removes what a killed agent could not; other handler processes may be doing the same. */
export function removeScratch(home: string | undefined): void {
  if (home !== undefined) rmSync(home, { recursive: true, force: true, maxRetries: 2 });
}

/** Kills this process together with what its handlers started. */
function killOwnGroup(): void {
  try {
    process.kill(-process.pid, 'SIGKILL');
  } catch (error) {
    // No group of its own (Windows, or started by hand): the process alone.
    if (error instanceof Error) process.kill(process.pid, 'SIGKILL');
  }
}

if (!isMainThread) {
  const { parentPid, memoryMiB, home } = workerData as WatchdogData;
  setInterval(() => {
    if (parentHasGone(parentPid)) {
      removeScratch(home);
      killOwnGroup();
    }
    const resident = process.memoryUsage.rss() / 2 ** 20;
    if (resident > memoryMiB) {
      writeSync(2, `${MEMORY_NOTICE}: ${Math.round(resident)} of ${memoryMiB} MiB\n`);
      killOwnGroup();
    }
  }, CHECK_EVERY_MS);
}
