import os from 'node:os';
import path from 'node:path';
import { probeHardware } from '@rma/agent/probe/probe';
import { Hardware } from '@rma/protocol/hardware';
import { classify } from '@rma/protocol/tiers';
import { Check } from 'typebox/value';
import { describe, expect, it } from 'vitest';
import { wallLimit } from '../../support/time.js';
import { filesOf, printed, smiOf } from './fixture.js';

describe('probing the hardware', () => {
  it('takes at most a second and a half where no NVIDIA driver has to wake', async () => {
    const startedMs = performance.now();
    const hardware = await probeHardware({ stateDir: os.tmpdir(), smi: async () => ({ kind: 'absent' }) });
    expect(performance.now() - startedMs).toBeLessThan(wallLimit(1_500));
    expect(hardware.notes).toContain('nvidia-smi not found');
  });

  it('tells this machine as it is, in the shape that the protocol wants', async () => {
    const hardware = await probeHardware({ stateDir: os.tmpdir() });
    expect(Check(Hardware, hardware)).toBe(true);
    expect(hardware).toMatchObject({ os: process.platform, arch: process.arch });
    expect(hardware.cpu.logicalCores).toBeLessThanOrEqual(os.cpus().length);
    expect(hardware.memory.totalMiB).toBeLessThanOrEqual(os.totalmem() / 2 ** 20);
    expect(hardware.disk.totalGiB).toBeGreaterThan(0);
  });

  it('looks at the file system that will hold a state directory which does not exist yet', async () => {
    const smi = smiOf({ gpus: [printed('one-8gb-card')] });
    const hardware = await probeHardware({ stateDir: path.join(os.tmpdir(), 'not', 'yet', 'there'), smi });
    expect(hardware.disk.totalGiB).toBeGreaterThan(0);
  });

  it('turns a part that fails into a note and tells the rest', async () => {
    const smi = () => Promise.reject(new Error('out of processes'));
    const hardware = await probeHardware({ stateDir: os.tmpdir(), smi });
    expect(hardware.gpus).toEqual([]);
    expect(hardware.notes).toContain('GPUs: out of processes');
    expect(hardware.disk.totalGiB).toBeGreaterThan(0);
  });

  it('notes a state directory whose disk cannot be measured', async () => {
    const hardware = await probeHardware({ stateDir: `${os.tmpdir()}/\0`, smi: smiOf({}) });
    expect(hardware.disk).toEqual({ freeGiB: 0, totalGiB: 0 });
    expect(hardware.notes.join()).toMatch(/disk: /);
    expect(Check(Hardware, hardware)).toBe(true);
  });

  it('reports the limits of its cgroup rather than the size of the host, and the tier follows', async () => {
    const read = filesOf({
      '/.dockerenv': '',
      '/proc/self/mountinfo': '29 23 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n',
      '/proc/self/cgroup': '0::/\n',
      '/sys/fs/cgroup/cpu.max': '50000 100000\n',
      '/sys/fs/cgroup/memory.max': `${256 * 2 ** 20}\n`,
    });
    const hardware = await probeHardware({ stateDir: os.tmpdir(), smi: smiOf({ gpus: [printed('two-cards')] }), read });
    expect(hardware).toMatchObject({
      cpu: { logicalCores: 0.5 },
      memory: { totalMiB: 256 },
      container: true,
      notes: ['limited to 0.5 cores by cgroup v2', 'limited to 256 MiB of memory by cgroup v2'],
    });
    expect(classify(hardware).tier).toBeNull();
  });
});
