/**
 * The CPU quota and memory limit of this process's control groups (Linux, v1 and v2): min over the group and all its
 * ancestors. Pure over a read-file port; what cannot be read counts as no limit.
 * Formats: the kernel's Documentation/admin-guide/cgroup-v2.rst and cgroup-v1/, and proc(5) for mountinfo.
 */

/** Reads a small file; `undefined` where it does not exist or may not be read. */
export type ReadFile = (path: string) => string | undefined;

export type CgroupVersion = 1 | 2;

/** A CPU quota and the group that imposes it. */
export interface CpuLimit {
  /** Cores' worth of time, for example 1.5. */
  readonly cores: number;
  readonly version: CgroupVersion;
  /** The group's accounting file, for `readCpuUsageUs`; absent where v1 has no accounting for the group. */
  readonly usageFile?: string;
}

/** A memory limit and the group that imposes it. */
export interface MemoryLimit {
  readonly bytes: number;
  readonly version: CgroupVersion;
  readonly directory: string;
}

interface Hierarchy {
  readonly version: CgroupVersion;
  readonly mountPoint: string;
  /** Of the process's group, below the mount point: `` or `/a/b`. */
  readonly path: string;
}

// v1 writes "no limit" as the largest multiple of the page size below 2^63.
const unlimitedBytes = 2 ** 62;

/** The lowest CPU quota on this process; `undefined`: none. */
export function readCpuLimit(read: ReadFile): CpuLimit | undefined {
  const hierarchy = findHierarchy(read, 'cpu');
  if (hierarchy === undefined) return undefined;
  const accounting = hierarchy.version === 1 ? findHierarchy(read, 'cpuacct') : hierarchy;
  let lowest: CpuLimit | undefined;
  for (const path of withAncestors(hierarchy.path)) {
    const directory = hierarchy.mountPoint + path;
    const cores = hierarchy.version === 2 ? quotaV2(read, directory) : quotaV1(read, directory);
    if (cores === undefined || (lowest && lowest.cores <= cores)) continue;
    const usageFile =
      hierarchy.version === 2 ? `${directory}/cpu.stat` : accounting && `${accounting.mountPoint}${path}/cpuacct.usage`;
    lowest = { cores, version: hierarchy.version, ...(usageFile !== undefined && { usageFile }) };
  }
  return lowest;
}

/** The lowest memory limit on this process; `undefined`: none. */
export function readMemoryLimit(read: ReadFile): MemoryLimit | undefined {
  const hierarchy = findHierarchy(read, 'memory');
  if (hierarchy === undefined) return undefined;
  const file = hierarchy.version === 2 ? 'memory.max' : 'memory.limit_in_bytes';
  let lowest: MemoryLimit | undefined;
  for (const path of withAncestors(hierarchy.path)) {
    const directory = hierarchy.mountPoint + path;
    const bytes = toNumber(read(`${directory}/${file}`));
    if (bytes === undefined || bytes >= unlimitedBytes || (lowest && lowest.bytes <= bytes)) continue;
    lowest = { bytes, version: hierarchy.version, directory };
  }
  return lowest;
}

/** CPU time of the limited group since its creation, in µs. */
export function readCpuUsageUs(read: ReadFile, limit: CpuLimit): number | undefined {
  if (limit.usageFile === undefined) return undefined;
  const text = read(limit.usageFile);
  if (limit.version === 2) return keyedValue(text, 'usage_usec');
  const ns = toNumber(text);
  return ns === undefined ? undefined : ns / 1000;
}

/** Memory of the limited group in bytes, without page cache that the kernel can reclaim. */
export function readMemoryUsedBytes(read: ReadFile, limit: MemoryLimit): number | undefined {
  const v2 = limit.version === 2;
  const used = toNumber(read(`${limit.directory}/${v2 ? 'memory.current' : 'memory.usage_in_bytes'}`));
  if (used === undefined) return undefined;
  const cache = keyedValue(read(`${limit.directory}/memory.stat`), v2 ? 'inactive_file' : 'total_inactive_file');
  return Math.max(0, used - (cache ?? 0));
}

/**
 * The CPUs that the scheduler may put this process on (affinity, cpusets), from /proc/self/status. Read here because
 * `os.availableParallelism()` ignores cgroup quotas in older versions of Node and rounds them down in newer ones.
 */
export function readAllowedCpus(read: ReadFile): number[] | undefined {
  const list = /^Cpus_allowed_list:\s*(\S+)$/m.exec(read('/proc/self/status') ?? '')?.[1];
  if (list === undefined) return undefined;
  const cpus: number[] = [];
  for (const range of list.split(',')) {
    const match = /^(\d{1,5})(?:-(\d{1,5}))?$/.exec(range);
    if (match === null) return undefined;
    const first = Number(match[1]);
    for (let cpu = first; cpu <= Number(match[2] ?? first); cpu++) cpus.push(cpu);
  }
  return cpus;
}

/** Whether this process is in a container, by the files and variables that common engines set. */
export function inContainer(read: ReadFile, env: Readonly<Record<string, string | undefined>>): boolean {
  if (read('/.dockerenv') !== undefined || read('/run/.containerenv') !== undefined) return true;
  if (env.container || env.KUBERNETES_SERVICE_HOST) return true;
  return /docker|kubepods|containerd|libpod|\/lxc/.test(read('/proc/self/cgroup') ?? '');
}

function quotaV2(read: ReadFile, directory: string): number | undefined {
  const [quota, period] = (read(`${directory}/cpu.max`) ?? '').trim().split(/\s+/);
  return ratio(toNumber(quota), toNumber(period) ?? 100_000);
}

function quotaV1(read: ReadFile, directory: string): number | undefined {
  return ratio(toNumber(read(`${directory}/cpu.cfs_quota_us`)), toNumber(read(`${directory}/cpu.cfs_period_us`)));
}

function ratio(quota: number | undefined, period: number | undefined): number | undefined {
  return quota !== undefined && period !== undefined && quota > 0 && period > 0 ? quota / period : undefined;
}

/** `undefined` for anything but a plain number: `max` and -1 mean no limit. */
function toNumber(text: string | undefined): number | undefined {
  return text !== undefined && /^\s*\d+\s*$/.test(text) ? Number(text) : undefined;
}

function keyedValue(text: string | undefined, key: string): number | undefined {
  return toNumber(new RegExp(`^${key} (\\d+)$`, 'm').exec(text ?? '')?.[1]);
}

/** `/a/b` → `/a/b`, `/a`, ``. */
function withAncestors(path: string): string[] {
  const paths = [path];
  for (let rest = path; rest !== ''; ) {
    rest = rest.slice(0, rest.lastIndexOf('/'));
    paths.push(rest);
  }
  return paths;
}

/** The process's group for a controller: in the v1 hierarchy that has the controller (also on hybrid systems), else in v2. */
function findHierarchy(read: ReadFile, controller: string): Hierarchy | undefined {
  const groups = (read('/proc/self/cgroup') ?? '').split('\n').map((line) => {
    const [, controllers = '', ...path] = line.split(':');
    return { controllers: controllers.split(','), path: path.join(':') };
  });
  const mounts = parseMounts(read('/proc/self/mountinfo') ?? '');
  const v1Group = groups.find((group) => group.controllers.includes(controller));
  const v1Mount = mounts.find((mount) => mount.type === 'cgroup' && mount.options.includes(controller));
  if (v1Group && v1Mount) return located(1, v1Mount, v1Group.path);
  const v2Group = groups.find((group) => group.path !== '' && group.controllers.join() === '');
  const v2Mount = mounts.find((mount) => mount.type === 'cgroup2');
  return v2Group && v2Mount ? located(2, v2Mount, v2Group.path) : undefined;
}

function located(version: CgroupVersion, mount: Mount, groupPath: string): Hierarchy {
  const root = mount.root === '/' ? '' : mount.root;
  // A container without a cgroup namespace sees the host's path, and its own group mounted as the root.
  const inside = groupPath === root || groupPath.startsWith(`${root}/`);
  const path = inside && !groupPath.includes('/..') ? groupPath.slice(root.length).replace(/\/+$/, '') : '';
  return { version, mountPoint: mount.point, path };
}

interface Mount {
  readonly root: string;
  readonly point: string;
  readonly type: string;
  readonly options: readonly string[];
}

function parseMounts(mountinfo: string): Mount[] {
  return mountinfo.split('\n').flatMap((line) => {
    const [before = '', after = ''] = line.split(' - ');
    const [, , , root, point] = before.split(' ');
    const [type, , options] = after.split(' ');
    if (root === undefined || point === undefined || type === undefined) return [];
    return [{ root: unescaped(root), point: unescaped(point), type, options: (options ?? '').split(',') }];
  });
}

/** mountinfo writes spaces and the like as octal escapes. */
function unescaped(text: string): string {
  return text.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));
}
