/**
 * The lock of a state directory: a file that names its holder by process id and start time, so that neither a killed holder
 * nor a later process with its id keeps the lock.
 */
import { execFileSync } from 'node:child_process';
import { linkSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { hasErrorCode } from '@rma/protocol/error';
import { AgentFault } from '../fault.js';

interface Holder {
  readonly pid: number;
  /** Start time, which tells processes of one id apart; absent where the system does not report it. */
  readonly started?: string;
}

const TRIES = 10;

/**
 * Takes the lock; answers the function that releases it.
 * @throws AgentFault that names the holder
 */
export function lockState(directory: string): () => void {
  const path = join(directory, 'lock');
  const started = startOf(process.pid);
  const mine = JSON.stringify({ pid: process.pid, ...(started === undefined ? {} : { started }) });
  // Written to a draft and linked, so that no reader sees half a lock.
  const draft = join(directory, `lock.${process.pid}.${Math.random().toString(36).slice(2)}`);
  writeFileSync(draft, mine, { mode: 0o600 });
  try {
    for (let tries = 0; tries < TRIES; tries += 1) {
      if (tryLink(draft, path)) return () => releaseIfMine(path, mine);
      const held = read(path);
      if (held === undefined) continue;
      const holder = holderOf(held);
      if (holder !== undefined && isAlive(holder)) throw taken(directory, holder);
      removeStale(path, held);
    }
  } finally {
    rmSync(draft, { force: true });
  }
  throw new AgentFault(
    `the lock ${path} keeps changing hands: are several agents being started on it? Give each its own --state.`,
  );
}

function taken(directory: string, holder: Holder): AgentFault {
  const who = holder.pid === process.pid ? 'another agent of this process' : `process ${holder.pid}`;
  return new AgentFault(
    `${directory} is in use by ${who}, another rma-worker. Stop that one, or give this one its own --state DIR.`,
  );
}

/** Removes a stale lock. By rename and comparison, because another process may have taken the lock since it was read. */
function removeStale(path: string, stale: string): void {
  const aside = `${path}.${process.pid}.stale`;
  try {
    renameSync(path, aside);
  } catch (error) {
    if (hasErrorCode(error, 'ENOENT')) return;
    throw error;
  }
  if (read(aside) !== stale) tryLink(aside, path);
  rmSync(aside, { force: true });
}

function tryLink(from: string, to: string): boolean {
  try {
    linkSync(from, to);
    return true;
  } catch (error) {
    if (hasErrorCode(error, 'EEXIST')) return false;
    if (!hasErrorCode(error, 'EPERM', 'ENOSYS', 'ENOTSUP', 'EOPNOTSUPP')) throw error;
  }
  // A file system without links (exFAT): exclusive creation, in which a reader may see an empty file for a moment.
  try {
    writeFileSync(to, readFileSync(from), { flag: 'wx', mode: 0o600 });
    return true;
  } catch (error) {
    if (hasErrorCode(error, 'EEXIST')) return false;
    throw error;
  }
}

function releaseIfMine(path: string, mine: string): void {
  if (read(path) === mine) rmSync(path, { force: true });
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (hasErrorCode(error, 'ENOENT')) return undefined;
    throw error;
  }
}

function holderOf(text: string): Holder | undefined {
  try {
    const value = JSON.parse(text) as Partial<Holder>;
    if (!Number.isInteger(value.pid)) return undefined;
    return typeof value.started === 'string'
      ? { pid: Number(value.pid), started: value.started }
      : { pid: Number(value.pid) };
  } catch {
    // Not JSON: no holder.
    return undefined;
  }
}

function isAlive(holder: Holder): boolean {
  try {
    process.kill(holder.pid, 0);
  } catch (error) {
    if (!hasErrorCode(error, 'EPERM')) return false;
  }
  const started = startOf(holder.pid);
  return started === undefined || holder.started === undefined || started === holder.started;
}

/** The start time of a process: on Linux the boot id and the clock tick, which clock changes do not affect. */
function startOf(pid: number): string | undefined {
  try {
    if (process.platform === 'linux') {
      const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
      // The name, in parentheses, may itself hold spaces and parentheses; the start is the 20th field after it.
      const tick = stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19];
      const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
      return tick === undefined ? undefined : `${boot}/${tick}`;
    }
    if (process.platform === 'win32') return undefined;
    const output = execFileSync('ps', ['-o', 'lstart=', '-p', String(pid)], {
      encoding: 'utf8',
      timeout: 5_000,
    }).trim();
    return output === '' ? undefined : output;
  } catch {
    // Not reported by this system, or no such process: then the process id alone decides.
    return undefined;
  }
}
