import { admitted, refusal } from '@rma/agent/policy/allow-list';
import {
  type Availability,
  type AvailabilityRules,
  availabilityOf,
  type Conditions,
  nextChangeAtMs,
  wirePolicy,
} from '@rma/agent/policy/availability';
import { capHardware, exceededCap } from '@rma/agent/policy/caps';
import { parseDuration, parseUntil } from '@rma/agent/policy/human-time';
import { defaultPolicy } from '@rma/agent/policy/worker-file';
import { TokenBucket } from '@rma/peer/token-bucket';
import { Check } from '@rma/protocol/check';
import type { Hardware } from '@rma/protocol/hardware';
import { type ContainerSpec, DonorPolicy } from '@rma/protocol/workload';
import { describe, expect, it } from 'vitest';

const NOW = Date.parse('2026-01-07T12:00Z');
const always: AvailabilityRules = {
  schedule: { windows: [], timeZone: 'UTC' },
  idleMinutes: undefined,
  gpuTemperatureC: undefined,
};
const evenings: AvailabilityRules = {
  ...always,
  schedule: { windows: [{ days: ['wed'], from: '18:00', to: '23:00' }], timeZone: 'UTC' },
};
const conditions = (some: Partial<Conditions> = {}): Conditions => ({
  nowMs: NOW,
  pause: undefined,
  idleMs: undefined,
  gpuTemperatureC: undefined,
  ...some,
});
const evaluate = (rules: AvailabilityRules, some: Partial<Conditions> = {}, before?: Availability) =>
  availabilityOf(rules, conditions(some), before);

describe('a machine', () => {
  it('is available without any rule', () => {
    expect(evaluate(always)).toEqual({ state: 'available', untilMs: undefined });
  });

  it('is unavailable while paused, and available when the pause is over', () => {
    expect(evaluate(always, { pause: { untilMs: undefined } })).toMatchObject({
      state: 'unavailable',
      cause: 'paused',
      immediate: false,
    });
    expect(evaluate(always, { pause: { untilMs: NOW + 1 } })).toMatchObject({ state: 'unavailable', untilMs: NOW + 1 });
    expect(evaluate(always, { pause: { untilMs: NOW } })).toMatchObject({ state: 'available' });
  });

  it('is available in the hours of its schedule, and knows the next change', () => {
    const opens = Date.parse('2026-01-07T18:00Z');
    expect(evaluate(evenings)).toMatchObject({
      state: 'unavailable',
      cause: 'schedule',
      immediate: false,
      untilMs: opens,
    });
    expect(evaluate(evenings, { nowMs: opens })).toEqual({
      state: 'available',
      untilMs: Date.parse('2026-01-07T23:00Z'),
    });
    expect(nextChangeAtMs(evenings, conditions())).toBe(opens);
    expect(nextChangeAtMs(always, conditions())).toBeUndefined();
  });

  it('that is available only when idle becomes unavailable at once when its owner uses it', () => {
    const idle = { ...always, idleMinutes: 10 };
    expect(evaluate(idle)).toMatchObject({ state: 'unavailable', cause: 'in-use', immediate: true });
    expect(evaluate(idle, { idleMs: 599_999 })).toMatchObject({
      state: 'unavailable',
      cause: 'in-use',
      immediate: true,
    });
    expect(evaluate(idle, { idleMs: 600_000 })).toMatchObject({ state: 'available' });
  });

  it('with a hot GPU drains until the GPU has cooled down by 5 degrees', () => {
    const rules = { ...always, gpuTemperatureC: 80 };
    expect(evaluate(rules, { gpuTemperatureC: 80 })).toMatchObject({ state: 'available' });
    const hot = evaluate(rules, { gpuTemperatureC: 81 });
    expect(hot).toMatchObject({ state: 'draining', reason: expect.stringContaining('81 °C') });
    expect(evaluate(rules, { gpuTemperatureC: 76 }, hot)).toMatchObject({ state: 'draining' });
    expect(evaluate(rules, { gpuTemperatureC: 75 }, hot)).toMatchObject({ state: 'available' });
  });
});

describe('allow-lists', () => {
  it('name the list that refuses a workload', () => {
    expect(refusal({}, 'ocr', undefined)).toBeUndefined();
    expect(refusal({ workloads: ['ner'] }, 'ocr', undefined)).toMatch(/allow\.workloads/);
    const allow = { images: ['postgres:*', 'ghcr.io/me/*'] };
    expect(refusal(allow, 'db', 'postgres:17')).toBeUndefined();
    expect(refusal(allow, 'db', 'ghcr.io/me/a/b:1')).toBeUndefined();
    expect(refusal(allow, 'db', 'xpostgres:17')).toMatch(/the image xpostgres:17 \(allow\.images/);
    expect(refusal(allow, 'db', 'ghcrXio/me/a')).toBeDefined();
  });

  it('and caps refuse a container that needs more than the caps', () => {
    const container = (memoryMiB: number, gpu: boolean): ContainerSpec => ({
      image: 'x:1',
      gpu,
      resources: { cores: 64, memoryMiB },
      kinds: [],
      slots: 0,
      network: false,
    });
    expect(exceededCap({}, container(4_096, true))).toBeUndefined();
    expect(exceededCap({ memoryMiB: 4_096, cores: 1, vramMiB: 8_192 }, container(4_096, true))).toBeUndefined();
    expect(exceededCap({ memoryMiB: 4_095 }, container(4_096, false))).toMatch(
      /4096 MiB .* lends 4095 \(caps\.memoryMiB/,
    );
    expect(exceededCap({ vramMiB: 0 }, container(64, true))).toMatch(/lends no GPU \(caps\.vramMiB/);
    expect(exceededCap({ vramMiB: 0 }, container(64, false))).toBeUndefined();
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
  expect(check.assert(wirePolicy(defaultPolicy(), evaluate(always)))).toEqual({ paused: false });
  expect(check.assert(wirePolicy(policy, evaluate(evenings)))).toEqual({
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

it('the end of a pause is parsed as people write it', () => {
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
