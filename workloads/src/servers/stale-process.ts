/** Ends what an earlier run left: a server whose guard was killed together with the agent. Linux and other POSIX systems. */

import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';

const GONE_WITHIN_MS = 8_000;
const LOOK_EVERY_MS = 50;

/**
 * Stops the process whose number is on the first line of a file, if it is the one that was written down: its command
 * line has to hold `mark`, as numbers are used again.
 * @throws Error where it does not go
 */
export async function endStaleProcess(pidFile: string, mark: string, signal: NodeJS.Signals): Promise<void> {
  const pid = readPid(pidFile);
  if (pid === undefined || !commandLineOf(pid).includes(mark)) return;
  process.kill(pid, signal);
  const deadline = performance.now() + GONE_WITHIN_MS;
  let killed = false;
  while (commandLineOf(pid).includes(mark)) {
    const now = performance.now();
    if (now > deadline) throw new Error(`process ${pid}, left by an earlier run, does not end. Kill it.`);
    if (!killed && now > deadline - GONE_WITHIN_MS / 4) {
      process.kill(pid, 'SIGKILL');
      killed = true;
    }
    await delay(LOOK_EVERY_MS);
  }
}

function readPid(file: string): number | undefined {
  try {
    const pid = Number.parseInt(readFileSync(file, 'utf8'), 10);
    return pid > 1 ? pid : undefined;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw error;
  }
}

/** Empty for a process that there is not, or that only waits to be reaped. */
function commandLineOf(pid: number): string {
  const { stdout } = spawnSync('ps', ['-ww', '-o', 'stat=,args=', '-p', String(pid)], { encoding: 'utf8' });
  const line = (stdout ?? '').trim();
  return line.startsWith('Z') ? '' : line;
}
