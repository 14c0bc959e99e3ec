/**
 * CPU time used by other programs, from Linux' /proc: all processes but this agent, its descendants, and those in
 * containers (which may be the agent's own).
 */
import { readdirSync } from 'node:fs';
import os from 'node:os';
import { readSmallFile } from '../probe/read-file.js';

export interface ProcessLoad {
  /** Monotonic time of the reading. */
  readonly atMs: number;
  /** CPU time so far of the other programs that still run. */
  readonly othersMs: number;
  readonly cores: number;
}

interface Process {
  readonly pid: number;
  readonly parent: number;
  readonly cpuMs: number;
}

/** USER_HZ is 100 on every Linux that Node runs on. */
const TICK_MS = 10;
const CONTAINER = /docker|libpod|containerd|kubepods|lxc/;

/** `undefined` where there is no /proc. */
export function readProcessLoad(
  ownPid: number,
  read: (path: string) => string | undefined = readSmallFile,
  list: () => readonly string[] = () => readdirSync('/proc'),
): ProcessLoad | undefined {
  let names: readonly string[];
  try {
    names = list();
  } catch {
    // Not Linux.
    return undefined;
  }
  const processes = names.flatMap((name) => (/^\d+$/.test(name) ? parseStat(read(`/proc/${name}/stat`)) : []));
  if (processes.length === 0) return undefined;
  const own = descendantsOf(ownPid, processes);
  const others = processes.filter(
    ({ pid, cpuMs }) => cpuMs > 0 && !own.has(pid) && !CONTAINER.test(read(`/proc/${pid}/cgroup`) ?? ''),
  );
  const othersMs = others.reduce((sum, { cpuMs }) => sum + cpuMs, 0);
  return { atMs: performance.now(), othersMs, cores: os.availableParallelism() };
}

/** One line of /proc/PID/stat; the name, in parentheses, may itself hold spaces and parentheses. See proc(5). */
function parseStat(stat: string | undefined): Process[] {
  if (stat === undefined) return [];
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const [, parent, , , , , , , , , , user, system] = fields.map(Number);
  const pid = Number.parseInt(stat, 10);
  if (parent === undefined || user === undefined || system === undefined || !Number.isInteger(pid)) return [];
  return [{ pid, parent, cpuMs: (user + system) * TICK_MS }];
}

function descendantsOf(root: number, processes: readonly Process[]): ReadonlySet<number> {
  const family = new Set([root]);
  for (let grew = true; grew; ) {
    grew = false;
    for (const { pid, parent } of processes) {
      if (!family.has(parent) || family.has(pid)) continue;
      family.add(pid);
      grew = true;
    }
  }
  return family;
}
