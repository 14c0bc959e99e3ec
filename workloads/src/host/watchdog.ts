/**
 * A thread beside the handlers that ends their process when the agent has gone or the memory limit is passed,
 * even while a handler blocks the main thread in an endless loop.
 */
import { rmSync, writeSync } from 'node:fs';
import { isMainThread, workerData } from 'node:worker_threads';

/** What the main thread hands over. */
export interface WatchdogData {
  readonly parentPid: number;
  readonly memoryMiB: number;
  /** The agent's scratch directory, which goes with the agent. */
  readonly home: string | undefined;
}

/** What the watchdog writes to standard error before it kills for memory; the agent looks for it. */
export const MEMORY_NOTICE = 'rma-watchdog: memory limit passed';

const CHECK_EVERY_MS = 500;

/** A process that lost its parent gets another one, except on Windows, where the number only goes dead. */
function parentHasGone(parentPid: number): boolean {
  if (process.ppid !== parentPid) return true;
  try {
    process.kill(parentPid, 0);
    return false;
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'ESRCH';
  }
}

/** Removes what an agent that was killed could not; its other handler processes may do the same at this moment. */
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
