import { admitted, refusal, tooMuch } from '@rma/agent/policy/allow-list';
import { type Facts, judge, type Lending, nextLook, type Terms } from '@rma/agent/policy/lending';
import { capHardware, donorPolicy } from '@rma/agent/policy/terms';
import { parseDuration, parseUntil } from '@rma/agent/policy/until';
import { defaultPolicy } from '@rma/agent/policy/worker-file';
import { TokenBucket } from '@rma/peer/token-bucket';
import { Check } from '@rma/protocol/check';
import type { Hardware } from '@rma/protocol/hardware';
import { type ContainerSpec, DonorPolicy } from '@rma/protocol/workload';
import { describe, expect, it } from 'vitest';

const NOW = Date.parse('2026-01-07T12:00Z');
const always: Terms = {
  schedule: { windows: [], timeZone: 'UTC' },
  idleMinutes: undefined,
  gpuTemperatureC: undefined,
};
const evenings: Terms = {
  ...always,
  schedule: { windows: [{ days: ['wed'], from: '18:00', to: '23:00' }], timeZone: 'UTC' },
};
const facts = (some: Partial<Facts> = {}): Facts => ({
  nowMs: NOW,
  pause: undefined,
  idleMs: undefined,
  gpuTemperatureC: undefined,
  ...some,
});
const see = (terms: Terms, some: Partial<Facts> = {}, before?: Lending) => judge(terms, facts(some), before);

describe('a machine', () => {
  it('is lent where nothing speaks against it', () => {
    expect(see(always)).toEqual({ state: 'open', untilMs: undefined });
  });

  it('is not lent while paused, and is again when the pause is over', () => {
    expect(see(always, { pause: { untilMs: undefined } })).toMatchObject({
      state: 'closed',
      why: 'paused',
      atOnce: false,
    });
    expect(see(always, { pause: { untilMs: NOW + 1 } })).toMatchObject({ state: 'closed', untilMs: NOW + 1 });
    expect(see(always, { pause: { untilMs: NOW } })).toMatchObject({ state: 'open' });
  });

  it('is lent in its hours, and knows when they come', () => {
    const opens = Date.parse('2026-01-07T18:00Z');
    expect(see(evenings)).toMatchObject({ state: 'closed', why: 'schedule', atOnce: false, untilMs: opens });
    expect(see(evenings, { nowMs: opens })).toEqual({ state: 'open', untilMs: Date.parse('2026-01-07T23:00Z') });
    expect(nextLook(evenings, facts())).toBe(opens);
    expect(nextLook(always, facts())).toBeUndefined();
  });

  it('that is lent only when idle is taken back at once when its owner comes', () => {
    const idle = { ...always, idleMinutes: 10 };
    expect(see(idle)).toMatchObject({ state: 'closed', why: 'in-use', atOnce: true });
    expect(see(idle, { idleMs: 599_999 })).toMatchObject({ state: 'closed', why: 'in-use', atOnce: true });
    expect(see(idle, { idleMs: 600_000 })).toMatchObject({ state: 'open' });
  });

  it('with a hot GPU gets no new tasks until that has cooled down by 5 degrees', () => {
    const terms = { ...always, gpuTemperatureC: 80 };
    expect(see(terms, { gpuTemperatureC: 80 })).toMatchObject({ state: 'open' });
    const hot = see(terms, { gpuTemperatureC: 81 });
    expect(hot).toMatchObject({ state: 'holding', reason: expect.stringContaining('81 °C') });
    expect(see(terms, { gpuTemperatureC: 76 }, hot)).toMatchObject({ state: 'holding' });
    expect(see(terms, { gpuTemperatureC: 75 }, hot)).toMatchObject({ state: 'open' });
  });
});

describe('allow-lists', () => {
  it('name the list that speaks against a workload', () => {
    expect(refusal({}, 'ocr', undefined)).toBeUndefined();
    expect(refusal({ workloads: ['ner'] }, 'ocr', undefined)).toMatch(/allow\.workloads/);
    const allow = { images: ['postgres:*', 'ghcr.io/me/*'] };
    expect(refusal(allow, 'db', 'postgres:17')).toBeUndefined();
    expect(refusal(allow, 'db', 'ghcr.io/me/a/b:1')).toBeUndefined();
    expect(refusal(allow, 'db', 'xpostgres:17')).toMatch(/the image xpostgres:17 \(allow\.images/);
    expect(refusal(allow, 'db', 'ghcrXio/me/a')).toBeDefined();
  });

  it('and caps refuse a container that takes more than is lent', () => {
    const container = (memoryMiB: number, gpu: boolean): ContainerSpec => ({
      image: 'x:1',
      gpu,
      resources: { cores: 64, memoryMiB },
      kinds: [],
      slots: 0,
      network: false,
    });
    expect(tooMuch({}, container(4_096, true))).toBeUndefined();
    expect(tooMuch({ memoryMiB: 4_096, cores: 1, vramMiB: 8_192 }, container(4_096, true))).toBeUndefined();
    expect(tooMuch({ memoryMiB: 4_095 }, container(4_096, false))).toMatch(/4096 MiB .* lends 4095 \(caps\.memoryMiB/);
    expect(tooMuch({ vramMiB: 0 }, container(64, true))).toMatch(/lends no GPU \(caps\.vramMiB/);
    expect(tooMuch({ vramMiB: 0 }, container(64, false))).toBeUndefined();
  });

  it('leave a service the kinds that are allowed, and stop one that has none', () => {
    const status = { name: 's', runtime: 'embedded', state: 'healthy', kinds: ['a.b', 'c.d'], slots: 2 } as const;
    expect(admitted(status, {})).toBe(status);
    expect(admitted(status, { kinds: ['c.d', 'e.f'] })).toMatchObject({ state: 'healthy', kinds: ['c.d'], slots: 2 });
    expect(admitted(status, { kinds: ['e.f'] })).toMatchObject({
      state: 'stopped',
      kinds: [],
      slots: 0,
      reason: expect.stringContaining('allow.kinds'),
    });
  });
});

it('caps make the machine that the pool sees smaller, and say so', () => {
  const hardware: Hardware = {
    os: 'linux',
    arch: 'x64',
    cpu: { model: 'test', logicalCores: 8 },
    memory: { totalMiB: 16_000 },
    disk: { freeGiB: 100, totalGiB: 200 },
    gpus: [{ index: 0, name: 'g', vendor: 'NVIDIA', vramMiB: 8_188, vramFreeMiB: 8_000 }],
    container: false,
    notes: [],
  };
  expect(capHardware(hardware, {})).toEqual(hardware);
  expect(capHardware(hardware, { cores: 2.5, memoryMiB: 32_000, diskMiB: 10_240, vramMiB: 4_096 })).toMatchObject({
    cpu: { logicalCores: 2 },
    memory: { totalMiB: 16_000 },
    disk: { freeGiB: 10 },
    gpus: [{ vramMiB: 4_096, vramFreeMiB: 4_096 }],
    notes: [
      'its owner lends 2 of 8 cores',
      'its owner lends 10 of 100 GiB of free disk',
      'its owner lends 4096 of 8188 MiB of VRAM of GPU 0',
    ],
  });
  expect(capHardware(hardware, { vramMiB: 0 }).gpus).toEqual([]);
});

it('the policy on the wire is what the protocol takes', () => {
  const check = new Check<DonorPolicy>(DonorPolicy, 'policy');
  const policy = {
    ...defaultPolicy(),
    ...evenings.schedule,
    idleMinutes: 5,
    caps: { cores: 2, memoryMiB: undefined, bandwidthKiBps: 64 },
    allow: { kinds: ['a.b'], images: ['x:*'], workloads: ['ocr'] },
  };
  expect(check.assert(donorPolicy(defaultPolicy(), see(always)))).toEqual({ paused: false });
  expect(check.assert(donorPolicy(policy, see(evenings)))).toEqual({
    paused: true,
    reason: expect.stringContaining('outside the hours'),
    windows: evenings.schedule.windows,
    timeZone: 'UTC',
    onlyWhenIdle: true,
    caps: { cores: 2, bandwidthKiBps: 64 },
    kinds: ['a.b'],
    images: ['x:*'],
    workloads: ['ocr'],
  });
});

it('a token bucket lets through its rate and a quarter of a second besides', () => {
  const bucket = new TokenBucket(100_000, 0);
  expect(bucket.available(0)).toBe(25_000);
  bucket.take(35_000, 0);
  expect(bucket.available(0)).toBe(-10_000);
  expect(bucket.waitMs(10_000, 0)).toBe(200);
  expect(bucket.available(200)).toBeCloseTo(10_000);
  expect(bucket.available(60_000)).toBe(25_000);
  const free = new TokenBucket(Number.POSITIVE_INFINITY, 0);
  free.take(1e12, 0);
  expect(free.available(1)).toBe(Number.POSITIVE_INFINITY);
  free.setRate(100_000, 1_000);
  expect(free.available(1_000)).toBe(25_000);
});

it('the end of a pause is read as people write it', () => {
  expect(parseDuration('2h')).toBe(7_200_000);
  expect(parseDuration('1h30m')).toBe(5_400_000);
  for (const wrong of ['', '2', '2 hours', 'h', '0m', '-1h']) expect(() => parseDuration(wrong)).toThrow(/Write 30m/);
  const now = new Date(2026, 0, 7, 12, 0).getTime();
  expect(parseUntil('18:00', now)).toBe(new Date(2026, 0, 7, 18, 0).getTime());
  expect(parseUntil('12:00', now)).toBe(new Date(2026, 0, 8, 12, 0).getTime());
  expect(parseUntil('2026-02-01T08:30', now)).toBe(new Date(2026, 1, 1, 8, 30).getTime());
  expect(() => parseUntil('2025-02-01', now)).toThrow(/is past/);
  expect(() => parseUntil('tomorrow', now)).toThrow(/Write 18:00/);
});
