import { type Gpu, Hardware } from '@rma/protocol/hardware';
import { classify } from '@rma/protocol/tiers';
import fc from 'fast-check';
import { Check } from 'typebox/value';
import { describe, expect, it } from 'vitest';

interface Figures {
  cores: number;
  memoryMiB: number;
  freeGiB: number;
  vramMiB: number[];
}

const nvidia = (vramMiB: number, index: number): Gpu => ({ index, name: 'NVIDIA Test', vendor: 'NVIDIA', vramMiB });
const machine = ({ cores, memoryMiB, freeGiB, vramMiB }: Figures): Hardware => ({
  os: 'linux',
  arch: 'x64',
  cpu: { model: 'Test', logicalCores: cores },
  memory: { totalMiB: memoryMiB },
  disk: { freeGiB, totalGiB: 1000 },
  gpus: vramMiB.map(nvidia),
  container: false,
  notes: [],
});
const big: Figures = { cores: 16, memoryMiB: 65_536, freeGiB: 500, vramMiB: [24_564] };
const tierOf = (figures: Partial<Figures>) => classify(machine({ ...big, ...figures })).tier;

describe('the tier of a machine', () => {
  it.each<[string, Partial<Figures>, 1 | 2 | 3 | null]>([
    ['an 8 GB card, which reports 8,188 MiB', { vramMiB: [8188] }, 1],
    ['an 8 GB card of another make, with 7,982 MiB', { vramMiB: [7982] }, 1],
    ['the least VRAM that counts as 8 GB', { vramMiB: [7619] }, 1],
    ['just less VRAM than that', { vramMiB: [7618] }, 2],
    ['a 6 GB card', { vramMiB: [6144] }, 2],
    ['two 6 GB cards, which are not one of 12 GB', { vramMiB: [6144, 6144] }, 2],
    ['a small card beside a large one', { vramMiB: [2048, 24_564] }, 1],
    ['no card', { vramMiB: [] }, 2],
    ['a 16 GB machine, which reports 15.5 GiB', { memoryMiB: 15_872 }, 1],
    ['just less memory than counts as 16 GB', { memoryMiB: 15_237 }, 2],
    ['8 cores', { cores: 8 }, 1],
    ['7.5 cores by a quota', { cores: 7.5 }, 2],
    ['4 cores', { cores: 4 }, 2],
    ['an 8 GB machine, which reports 7,800 MiB', { memoryMiB: 7800 }, 2],
    ['just less memory than counts as 8 GB', { memoryMiB: 7618 }, 3],
    ['2 cores', { cores: 2 }, 3],
    ['1.9 cores by a quota', { cores: 1.9 }, null],
    ['a 4 GB machine, which reports 3,900 MiB', { memoryMiB: 3900 }, 3],
    ['just less memory than counts as 4 GB', { memoryMiB: 3809 }, null],
    ['2 cores and 10 GB of free disk', { cores: 2, freeGiB: 9.32 }, 3],
    ['2 cores and just less free disk', { cores: 2, freeGiB: 9.31 }, null],
    ['much of all and little free disk, which only tier 3 needs', { freeGiB: 1 }, 1],
  ])('with %s', (_, figures, tier) => {
    expect(tierOf(figures)).toBe(tier);
  });

  it('counts no GPU but NVIDIA for tier 1', () => {
    const amd: Gpu = { index: 0, name: 'Radeon RX 7900 XTX', vendor: 'AMD', vramMiB: 24_560 };
    expect(classify({ ...machine(big), gpus: [amd] })).toMatchObject({ tier: 2 });
  });
});

describe('the reasons', () => {
  it('say what a tier rests on', () => {
    expect(classify(machine(big)).reasons).toEqual([
      'tier 1: NVIDIA Test with 24,564 MiB VRAM, 16 cores, 65,536 MiB of memory',
    ]);
  });

  it('name each thing that each higher tier lacks', () => {
    expect(classify(machine({ cores: 2, memoryMiB: 15_872, freeGiB: 100, vramMiB: [6144] })).reasons).toEqual([
      'tier 1: 6,144 MiB VRAM, needs 8 GiB',
      'tier 1: 2 cores, needs 8',
      'tier 2: 2 cores, needs 4',
      'tier 3: 2 cores, 15,872 MiB of memory, 107.37 GB of free disk',
    ]);
  });

  it('list all that a machine below tier 3 lacks', () => {
    expect(classify(machine({ cores: 1, memoryMiB: 900, freeGiB: 9.31, vramMiB: [] }))).toEqual({
      tier: null,
      reasons: [
        'tier 1: no NVIDIA GPU',
        'tier 1: 1 core, needs 8',
        'tier 1: 900 MiB of memory, needs 16 GiB',
        'tier 2: 1 core, needs 4',
        'tier 2: 900 MiB of memory, needs 8 GiB',
        'tier 3: 1 core, needs 2',
        'tier 3: 900 MiB of memory, needs 4 GiB',
        'tier 3: 9.99 GB of free disk, needs 10 GB',
      ],
    });
  });

  it('warn a machine of a higher tier whose disk is too full for data services', () => {
    expect(classify(machine({ ...big, freeGiB: 1 })).reasons.at(-1)).toBe(
      'data services: 1.07 GB of free disk, need 10 GB',
    );
  });
});

const figures = fc.record<Figures>({
  cores: fc.oneof(fc.integer({ min: 1, max: 128 }), fc.double({ min: 0.01, max: 16, noNaN: true })),
  memoryMiB: fc.integer({ min: 0, max: 65_536 }),
  freeGiB: fc.double({ min: 0, max: 40, noNaN: true }),
  vramMiB: fc.array(fc.integer({ min: 0, max: 24_576 }), { maxLength: 4 }),
});
const rank = (tier: 1 | 2 | 3 | null) => tier ?? 4;

describe('for any hardware', () => {
  it('more of anything never gives a lower tier', () => {
    fc.assert(
      fc.property(figures, figures, (one, more) => {
        const larger: Figures = {
          cores: one.cores + more.cores,
          memoryMiB: one.memoryMiB + more.memoryMiB,
          freeGiB: one.freeGiB + more.freeGiB,
          vramMiB: [...one.vramMiB, ...more.vramMiB],
        };
        expect(rank(classify(machine(larger)).tier)).toBeLessThanOrEqual(rank(classify(machine(one)).tier));
      }),
    );
  });

  it('each tier not reached has a reason, and so has the one reached', () => {
    fc.assert(
      fc.property(figures, (any) => {
        const { tier, reasons } = classify(machine(any));
        const named = new Set(reasons.map((reason) => reason.slice(0, 6)).filter((start) => start.startsWith('tier')));
        expect([...named]).toEqual([1, 2, 3].filter((each) => each <= (tier ?? 3)).map((each) => `tier ${each}`));
      }),
    );
  });
});

describe('the hardware schema', () => {
  const valid = machine(big);

  it('admits a plain machine, and ignores fields that it does not know', () => {
    expect(Check(Hardware, valid)).toBe(true);
    expect(Check(Hardware, { ...valid, colour: 'red' })).toBe(true);
  });

  it.each<[string, unknown]>([
    ['an escape sequence in a name', { ...valid, cpu: { model: '\u001b[2J', logicalCores: 4 } }],
    ['text without end', { ...valid, hostname: 'x'.repeat(254) }],
    ['more GPUs than any machine has', { ...valid, gpus: Array.from({ length: 65 }, (_, at) => nvidia(1, at)) }],
    ['no cores', { ...valid, cpu: { model: '', logicalCores: 0 } }],
    ['a figure that is none', { ...valid, disk: { freeGiB: Number.NaN, totalGiB: 1 } }],
    ['a negative memory', { ...valid, memory: { totalMiB: -1 } }],
    ['notes without end', { ...valid, notes: Array.from({ length: 33 }, () => '') }],
  ])('refuses %s', (_, value) => {
    expect(Check(Hardware, value)).toBe(false);
  });
});
