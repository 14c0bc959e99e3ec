/** A control group that bounds a process's memory, on Linux as root: cgroup v1 or v2, whichever is mounted. */
import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const ROOT = '/sys/fs/cgroup';

export interface MemoryLimit {
  /** A command line that runs another one, which follows it, under the limit. */
  readonly prefix: readonly string[];
  /** How often the kernel had to refuse memory, or to kill for want of it. */
  failures(): number;
  remove(): void;
}

/** @param bytes what all processes in it may use together, page cache included @throws where that is not possible here */
export function limitMemory(bytes: number): MemoryLimit {
  const isV2 = existsSync(join(ROOT, 'cgroup.controllers'));
  const directory = join(ROOT, isV2 ? '' : 'memory', `rma-test-${process.pid}-${Date.now()}`);
  mkdirSync(directory);
  const limit = join(directory, isV2 ? 'memory.max' : 'memory.limit_in_bytes');
  try {
    writeFileSync(limit, String(bytes));
    if (Number(readFileSync(limit, 'utf8')) !== bytes) throw new Error(`${limit} does not take ${bytes}`);
  } catch (error) {
    rmdirSync(directory);
    throw error;
  }
  const events = join(directory, isV2 ? 'memory.events' : 'memory.oom_control');
  return {
    prefix: ['sh', '-c', `echo $$ > ${join(directory, 'cgroup.procs')} && exec "$@"`, 'sh'],
    failures: () => Number(/^oom_kill (\d+)$/m.exec(readFileSync(events, 'utf8'))?.[1] ?? 0),
    remove: () => rmdirSync(directory),
  };
}

/** Whether this process may set such limits. */
export function limitsMemory(): boolean {
  try {
    limitMemory(64 * 2 ** 20).remove();
    return true;
  } catch {
    return false;
  }
}
