import os from 'node:os';
import { createLoadSampler, sampleLoad } from '@rma/agent/probe/load';
import type { SmiAnswer } from '@rma/agent/probe/nvidia-smi';
import { LoadSample } from '@rma/protocol/hardware';
import { Check } from 'typebox/value';
import { describe, expect, it } from 'vitest';
import { printed } from './fixture.js';

/** A machine of four cores whose clock and counters the test turns. */
function machine(files: Record<string, string> = {}) {
  const state = {
    nowMs: 0,
    busyMs: 0,
    idleMs: 0,
    smiRuns: 0,
    smi: { kind: 'absent' } as SmiAnswer,
    temperatureRuns: 0,
  };
  const sample = createLoadSampler({
    read: (path) => files[path],
    smi: async () => {
      state.smiRuns++;
      return state.smi;
    },
    nowMs: () => state.nowMs,
    cpus: () =>
      [0, 1, 2, 3].map((cpu) => ({
        model: '',
        speed: 0,
        // Only the first two CPUs work.
        times: {
          user: cpu < 2 ? state.busyMs : 0,
          nice: 0,
          sys: 0,
          irq: 0,
          idle: state.idleMs + (cpu < 2 ? 0 : state.busyMs),
        },
      })),
    memoryBytes: () => 8 * 2 ** 30,
    hostMemoryUsedBytes: async () => 3 * 2 ** 30,
    temperatureC: async () => {
      state.temperatureRuns++;
      return undefined;
    },
  });
  const pass = (ms: number, busyMs: number) => {
    state.nowMs += ms;
    state.busyMs += busyMs;
    state.idleMs += ms - busyMs;
  };
  return { state, sample, pass, files };
}

describe('a load sample', () => {
  it('is the share of all cores that worked since the last one', async () => {
    const { sample, pass } = machine();
    await sample();
    pass(5000, 2500);
    expect(await sample()).toEqual({ cpu: 0.25, memoryUsedMiB: 3072, gpus: [] });
  });

  it('counts only the CPUs that we may run on', async () => {
    const { sample, pass } = machine({ '/proc/self/status': 'Cpus_allowed_list:\t0-1\n' });
    await sample();
    pass(5000, 2500);
    expect((await sample()).cpu).toBe(0.5);
  });

  it("is the group's own use of its quota inside a limited cgroup", async () => {
    const files: Record<string, string> = {
      '/proc/self/mountinfo': '29 23 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n',
      '/proc/self/cgroup': '0::/\n',
      '/sys/fs/cgroup/cpu.max': '200000 100000\n',
      '/sys/fs/cgroup/cpu.stat': 'usage_usec 1000000\n',
      '/sys/fs/cgroup/memory.max': `${2 ** 30}\n`,
      '/sys/fs/cgroup/memory.current': `${512 * 2 ** 20}\n`,
      '/sys/fs/cgroup/memory.stat': 'inactive_file 0\n',
    };
    const { sample, pass } = machine(files);
    await sample();
    pass(5000, 5000);
    files['/sys/fs/cgroup/cpu.stat'] = 'usage_usec 3500000\n';
    // 2.5 s of 5 s × 2 cores, however busy the rest of the host is.
    expect(await sample()).toMatchObject({ cpu: 0.25, memoryUsedMiB: 512 });
  });

  it('keeps the last figure in the sample in which a limit came, since the two readings cannot be compared', async () => {
    const { sample, pass, files } = machine();
    await sample();
    pass(5000, 2500);
    expect((await sample()).cpu).toBe(0.25);
    Object.assign(files, { '/proc/self/status': 'Cpus_allowed_list:\t3\n' });
    pass(5000, 5000);
    expect((await sample()).cpu).toBe(0.25);
    pass(5000, 5000);
    expect((await sample()).cpu).toBe(0);
  });

  it('carries the load of the GPUs', async () => {
    const { state, sample } = machine();
    state.smi = printed('load');
    expect((await sample()).gpus[0]).toEqual({ index: 0, load: 0.87, temperatureC: 71, vramUsedMiB: 7012 });
  });

  it('leaves an absent nvidia-smi and an unknown temperature alone for minutes, and then looks again', async () => {
    const { state, sample, pass } = machine();
    await sample();
    pass(5000, 0);
    await sample();
    expect([state.smiRuns, state.temperatureRuns]).toEqual([1, 1]);
    state.smi = printed('load');
    pass(11 * 60_000, 0);
    expect((await sample()).gpus).toHaveLength(3);
    expect([state.smiRuns, state.temperatureRuns]).toEqual([2, 2]);
  });

  it('is one and the same for all who ask at once', async () => {
    const { sample } = machine();
    const [first, second] = await Promise.all([sample(), sample()]);
    expect(first).toBe(second);
  });
});

describe('the load of this machine', () => {
  it('has the shape that the protocol wants and shows a core that we keep busy', async () => {
    expect(Check(LoadSample, await sampleLoad())).toBe(true);
    const untilMs = performance.now() + 500;
    while (performance.now() < untilMs) Math.sqrt(untilMs);
    const busy = await sampleLoad();
    expect(Check(LoadSample, busy)).toBe(true);
    expect(busy.cpu).toBeGreaterThan(0.4 / os.cpus().length);
    expect(busy.memoryUsedMiB).toBeGreaterThan(0);
  });
});
