/** Ends a server that an earlier run left, as its guard was killed together with the agent. POSIX systems. */

import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { hasErrorCode } from '@rma/protocol/error';

const GONE_WITHIN_MS = 8_000;
const POLL_MS = 50;

/**
 * Stops the process whose id is on the first line of a file, if its command line contains `mark`: ids are reused.
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
    await delay(POLL_MS);
  }
}

function readPid(file: string): number | undefined {
  try {
    const pid = Number.parseInt(readFileSync(file, 'utf8'), 10);
    return pid > 1 ? pid : undefined;
  } catch (error) {
    if (hasErrorCode(error, 'ENOENT')) return undefined;
    throw error;
  }
}

/** Empty for a process that does not exist or is a zombie. */
function commandLineOf(pid: number): string {
  const { stdout } = spawnSync('ps', ['-ww', '-o', 'stat=,args=', '-p', String(pid)], { encoding: 'utf8' });
  const line = (stdout ?? '').trim();
  return line.startsWith('Z') ? '' : line;
}
