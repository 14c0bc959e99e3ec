import {
  inContainer,
  readAllowedCpus,
  readCpuLimit,
  readCpuUsageUs,
  readMemoryLimit,
  readMemoryUsedBytes,
} from '@rma/agent/probe/cgroup';
import { readSmallFile } from '@rma/agent/probe/read-file';
import { usableOf } from '@rma/agent/probe/usable';
import { describe, expect, it } from 'vitest';
import { filesOf } from './fixture.js';

const v2Mount = '29 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n';
const v1Mounts = (root: string) =>
  [
    `32 31 0:29 ${root} /sys/fs/cgroup/cpu,cpuacct rw,relatime - cgroup cgroup rw,cpu,cpuacct`,
    `35 31 0:32 ${root} /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory`,
    '41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw',
  ].join('\n');
const v1Groups = (path: string) => `5:memory:${path}\n2:cpu,cpuacct:${path}\n0::${path}\n`;

describe('cgroup v2', () => {
  const nested = filesOf({
    '/proc/self/mountinfo': v2Mount,
    '/proc/self/cgroup': '0::/user.slice/pool.slice/agent.service\n',
    '/sys/fs/cgroup/user.slice/cpu.max': 'max 100000\n',
    '/sys/fs/cgroup/user.slice/memory.max': 'max\n',
    '/sys/fs/cgroup/user.slice/pool.slice/cpu.max': '150000 100000\n',
    '/sys/fs/cgroup/user.slice/pool.slice/cpu.stat': 'usage_usec 5000000\nuser_usec 4000000\n',
    '/sys/fs/cgroup/user.slice/pool.slice/memory.max': '2147483648\n',
    '/sys/fs/cgroup/user.slice/pool.slice/memory.current': '1073741824\n',
    '/sys/fs/cgroup/user.slice/pool.slice/memory.stat': 'anon 5\nfile 9\ninactive_file 73741824\n',
    '/sys/fs/cgroup/user.slice/pool.slice/agent.service/cpu.max': '400000 100000\n',
    '/sys/fs/cgroup/user.slice/pool.slice/agent.service/memory.max': '8589934592\n',
  });

  it('limits to the tightest of the group and its ancestors', () => {
    expect(readCpuLimit(nested)).toMatchObject({ cores: 1.5, version: 2 });
    expect(readMemoryLimit(nested)).toMatchObject({ bytes: 2 ** 31, version: 2 });
  });

  it('accounts usage at the group that imposes the limit, without page cache', () => {
    const cpu = readCpuLimit(nested);
    const memory = readMemoryLimit(nested);
    expect(cpu && readCpuUsageUs(nested, cpu)).toBe(5_000_000);
    expect(memory && readMemoryUsedBytes(nested, memory)).toBe(1_000_000_000);
  });

  it('reads the limits at the mount point inside a container with its own cgroup namespace', () => {
    const read = filesOf({
      '/proc/self/mountinfo': v2Mount,
      '/proc/self/cgroup': '0::/\n',
      '/sys/fs/cgroup/cpu.max': '50000 100000\n',
      '/sys/fs/cgroup/memory.max': '536870912\n',
    });
    expect(readCpuLimit(read)?.cores).toBe(0.5);
    expect(readMemoryLimit(read)?.bytes).toBe(512 * 2 ** 20);
  });

  it('falls back to the mount point when the path leads out of the namespace', () => {
    const read = filesOf({
      '/proc/self/mountinfo': v2Mount,
      '/proc/self/cgroup': '0::/../other\n',
      '/sys/fs/cgroup/cpu.max': '300000 100000\n',
    });
    expect(readCpuLimit(read)?.cores).toBe(3);
  });

  it('has no limit where the files say max or are not there', () => {
    const base = { '/proc/self/mountinfo': v2Mount, '/proc/self/cgroup': '0::/a\n' };
    const max = filesOf({
      ...base,
      '/sys/fs/cgroup/a/cpu.max': 'max 100000\n',
      '/sys/fs/cgroup/a/memory.max': 'max\n',
    });
    for (const read of [max, filesOf(base), filesOf({})]) {
      expect(readCpuLimit(read)).toBeUndefined();
      expect(readMemoryLimit(read)).toBeUndefined();
    }
  });
});

describe('cgroup v1', () => {
  it('reads the quota and the limit of a container that sees the path of the host', () => {
    const read = filesOf({
      '/proc/self/mountinfo': v1Mounts('/docker/abc'),
      '/proc/self/cgroup': v1Groups('/docker/abc'),
      '/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us': '250000\n',
      '/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us': '100000\n',
      '/sys/fs/cgroup/cpu,cpuacct/cpuacct.usage': '7000000000\n',
      '/sys/fs/cgroup/memory/memory.limit_in_bytes': '1073741824\n',
      '/sys/fs/cgroup/memory/memory.usage_in_bytes': '900000000\n',
      '/sys/fs/cgroup/memory/memory.stat': 'cache 1\ninactive_file 3\ntotal_inactive_file 100000000\n',
    });
    const cpu = readCpuLimit(read);
    const memory = readMemoryLimit(read);
    expect(cpu).toMatchObject({ cores: 2.5, version: 1 });
    expect(cpu && readCpuUsageUs(read, cpu)).toBe(7_000_000);
    expect(memory).toMatchObject({ bytes: 2 ** 30, version: 1 });
    expect(memory && readMemoryUsedBytes(read, memory)).toBe(800_000_000);
  });

  it('finds a limit that an ancestor imposes', () => {
    const read = filesOf({
      '/proc/self/mountinfo': v1Mounts('/'),
      '/proc/self/cgroup': v1Groups('/jobs/agent'),
      '/sys/fs/cgroup/memory/jobs/agent/memory.limit_in_bytes': '9223372036854771712\n',
      '/sys/fs/cgroup/memory/jobs/memory.limit_in_bytes': '4294967296\n',
    });
    expect(readMemoryLimit(read)?.bytes).toBe(2 ** 32);
  });

  it('has no limit where the quota is -1 and the memory is the huge number', () => {
    const read = filesOf({
      '/proc/self/mountinfo': v1Mounts('/'),
      '/proc/self/cgroup': v1Groups('/'),
      '/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us': '-1\n',
      '/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us': '100000\n',
      '/sys/fs/cgroup/memory/memory.limit_in_bytes': '9223372036854771712\n',
    });
    expect(readCpuLimit(read)).toBeUndefined();
    expect(readMemoryLimit(read)).toBeUndefined();
  });
});

describe('what of the host is usable', () => {
  const host = { logicalCores: 16, memoryBytes: 64 * 2 ** 30 };
  const limited = (quota: string, cpus: string) =>
    filesOf({
      '/proc/self/status': `Name:\tnode\nCpus_allowed_list:\t${cpus}\nMems_allowed_list:\t0\n`,
      '/proc/self/mountinfo': v2Mount,
      '/proc/self/cgroup': '0::/\n',
      '/sys/fs/cgroup/cpu.max': `${quota} 100000\n`,
      '/sys/fs/cgroup/memory.max': `${8 * 2 ** 30}\n`,
    });

  it('is the whole host where nothing limits it', () => {
    expect(usableOf(host, filesOf({}))).toEqual({ cores: 16, memoryMiB: 65_536, notes: [] });
  });

  it('is the smaller of affinity and quota, with each limit in words', () => {
    expect(usableOf(host, limited('150000', '0-3,8'))).toMatchObject({
      cores: 1.5,
      memoryMiB: 8192,
      notes: [
        'limited to 5 cores of 16 by CPU affinity',
        'limited to 1.5 cores by cgroup v2',
        'limited to 8192 MiB of memory by cgroup v2',
      ],
    });
    expect(usableOf(host, limited('800000', '0-3,8'))).toMatchObject({ cores: 5, allowedCpus: [0, 1, 2, 3, 8] });
  });

  it('is not more than the host has, whatever the limits say', () => {
    const generous = usableOf({ logicalCores: 2, memoryBytes: 2 ** 30 }, limited('800000', '0-1'));
    expect(generous).toEqual({ cores: 2, memoryMiB: 1024, notes: [] });
  });
});

describe('a container', () => {
  it.each([
    [{ '/.dockerenv': '' }, {}],
    [{ '/run/.containerenv': '' }, {}],
    [{ '/proc/self/cgroup': '0::/kubepods/burstable/pod1\n' }, {}],
    [{}, { container: 'podman' }],
  ])('is known by %j and %j', (files: Record<string, string>, env) => {
    expect(inContainer(filesOf(files), env)).toBe(true);
  });

  it('is not seen on a plain machine', () => {
    expect(inContainer(filesOf({ '/proc/self/cgroup': '0::/user.slice\n' }), {})).toBe(false);
  });
});

describe.skipIf(process.platform !== 'linux')('this machine', () => {
  it('tells the CPUs that we may run on, and limits that are sane or none', () => {
    expect(readAllowedCpus(readSmallFile)?.length).toBeGreaterThan(0);
    const cpu = readCpuLimit(readSmallFile);
    if (cpu) expect(cpu.cores).toBeGreaterThan(0);
    const memory = readMemoryLimit(readSmallFile);
    if (memory) expect(readMemoryUsedBytes(readSmallFile, memory)).toBeGreaterThan(0);
  });
});
