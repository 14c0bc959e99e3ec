/** Formatted numbers and times: nothing above zero is shown as 0, and every value in its fitting unit. */
import { describe, expect, it } from 'vitest';
import { bytes, compact, count, mebibytes, percent, rate } from '../../dashboard/src/lib/format/number.js';
import { ago, duration } from '../../dashboard/src/lib/format/time.js';

const KIB = 1_024;
const MIB = 1_024 * KIB;

describe('sizes', () => {
  it.each([
    [0, '0 B'],
    [KIB - 1, '1,023 B'],
    [KIB, '1 KiB'],
    [1.5 * KIB, '1.5 KiB'],
    [12 * KIB, '12 KiB'],
    [1_023.7 * KIB, '1 MiB'],
    [1.5 * MIB, '1.5 MiB'],
    [9.97 * MIB, '10 MiB'],
    [100 * MIB, '100 MiB'],
    [1_023.8 * MIB, '1 GiB'],
    [3.25 * 1_024 * MIB, '3.3 GiB'],
  ])('%d bytes are %s', (value, text) => {
    expect(bytes(value)).toBe(text);
  });

  it.each([
    [512, '512 MiB'],
    [1_024, '1 GiB'],
    [15_872, '15.5 GiB'],
    [204_800, '200 GiB'],
  ])('%d MiB are %s', (value, text) => {
    expect(mebibytes(value)).toBe(text);
  });
});

it('a rate above zero is never shown as 0, and a count has singular and plural', () => {
  expect([0, 0.01, 0.05, 9.4, 12.4, 1_240].map(rate)).toEqual(['0', '< 0.1', '0.1', '9.4', '12', '1.2K']);
  expect([-1_500, 999, 1_000_000].map(compact)).toEqual(['-1.5K', '999', '1M']);
  expect([0, 1, 1_234].map((n) => count(n, 'worker'))).toEqual(['0 workers', '1 worker', '1,234 workers']);
  expect(percent(0.005)).toBe('1 %');
});

describe('durations', () => {
  it.each([
    [-5, '0 ms'],
    [0.01, '0 ms'],
    [0.4, '0.4 ms'],
    [0.97, '1 ms'],
    [999.4, '999 ms'],
    [999.6, '1.0 s'],
    [9_960, '10 s'],
    [59_400, '59 s'],
    [59_700, '1 min'],
    [61_000, '1 min 1 s'],
    [3_599_900, '59 min 59 s'],
    [86_400_000, '1 d'],
    [90_000_000, '1 d 1 h'],
  ])('%d ms are %s', (ms, text) => {
    expect(duration(ms)).toBe(text);
  });
});

describe('how long ago', () => {
  const now = new Date(2026, 10, 22, 12).getTime();
  const DAY = 86_400_000;
  it.each([
    [0, 'just now'],
    [-1_500, 'just now'],
    [12_000, '12 s ago'],
    [59_700, '1 min ago'],
    [59.8 * 60_000, '1 h ago'],
    [-DAY + 1_000, 'in 24 h'],
    [7 * DAY, '7 d ago'],
    [8 * DAY, '14 Nov'],
    [-30 * DAY, '22 Dec'],
    [-365 * DAY, '22 Nov 2027'],
    [-60 * DAY, '21 Jan 2027'],
  ])('%d ms is told as %s', (ms, text) => {
    expect(ago(now - ms, now)).toBe(text);
  });
});
