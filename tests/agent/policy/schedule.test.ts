import { DAYS, isOpen, isTimeZone, nextChange, type Schedule, type Window } from '@rma/agent/policy/schedule';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

const at = (text: string) => Date.parse(text);
const nights: Window = { days: DAYS, from: '22:00', to: '06:00' };
const london = (...windows: Window[]): Schedule => ({ windows, timeZone: 'Europe/London' });
const newYork = (...windows: Window[]): Schedule => ({ windows, timeZone: 'America/New_York' });

/** All changes from one instant up to another. */
function changes(schedule: Schedule, from: string, to: string): string[] {
  const found: string[] = [];
  for (let change = nextChange(schedule, at(from)); change && change.atMs < at(to); ) {
    found.push(`${new Date(change.atMs).toISOString().slice(0, 16)} ${change.open ? 'opens' : 'closes'}`);
    change = nextChange(schedule, change.atMs);
  }
  return found;
}

describe('a schedule', () => {
  it('without windows is always open', () => {
    expect(isOpen(london(), 0)).toBe(true);
    expect(nextChange(london(), 0)).toBeUndefined();
  });

  it('runs over midnight, also from Sunday to Monday', () => {
    const sundays = london({ days: ['sun'], from: '22:00', to: '06:00' });
    expect(changes(sundays, '2026-01-01T00:00Z', '2026-01-08T00:00Z')).toEqual([
      '2026-01-04T22:00 opens',
      '2026-01-05T06:00 closes',
    ]);
    expect(isOpen(sundays, at('2026-01-05T05:59:59.999Z'))).toBe(true);
    expect(isOpen(sundays, at('2026-01-05T06:00Z'))).toBe(false);
  });

  it('is open all week when its windows leave no gap, and then never changes', () => {
    const all = london({ days: DAYS, from: '00:00', to: '24:00' });
    expect(isOpen(all, at('2026-03-29T01:30Z'))).toBe(true);
    expect(nextChange(all, at('2026-03-25T00:00Z'))).toBeUndefined();
  });

  it('opens on weekdays only where that is what it says', () => {
    const office = newYork({ days: ['mon', 'tue', 'wed', 'thu', 'fri'], from: '09:00', to: '17:00' });
    expect(changes(office, '2026-01-09T00:00Z', '2026-01-13T00:00Z')).toEqual([
      '2026-01-09T14:00 opens',
      '2026-01-09T22:00 closes',
      '2026-01-12T14:00 opens',
      '2026-01-12T22:00 closes',
    ]);
  });

  it('takes times that are whole days as one window from midnight to midnight', () => {
    const saturday = london({ days: ['sat'], from: '00:00', to: '00:00' });
    expect(changes(saturday, '2026-01-01T00:00Z', '2026-01-06T00:00Z')).toEqual([
      '2026-01-03T00:00 opens',
      '2026-01-04T00:00 closes',
    ]);
  });
});

describe('over a change to daylight saving time', () => {
  it('keeps the hours of the wall clock in London: one hour less in spring, one more in autumn', () => {
    expect(changes(london(nights), '2026-03-28T12:00Z', '2026-03-30T12:00Z')).toEqual([
      '2026-03-28T22:00 opens',
      '2026-03-29T05:00 closes', // 06:00 BST
      '2026-03-29T21:00 opens', // 22:00 BST
      '2026-03-30T05:00 closes',
    ]);
    expect(changes(london(nights), '2026-10-24T12:00Z', '2026-10-25T12:00Z')).toEqual([
      '2026-10-24T21:00 opens',
      '2026-10-25T06:00 closes',
    ]);
  });

  it('keeps them in New York, too', () => {
    expect(changes(newYork(nights), '2026-03-07T12:00Z', '2026-03-08T20:00Z')).toEqual([
      '2026-03-08T03:00 opens', // 22:00 EST
      '2026-03-08T10:00 closes', // 06:00 EDT
    ]);
    expect(changes(newYork(nights), '2026-10-31T12:00Z', '2026-11-01T20:00Z')).toEqual([
      '2026-11-01T02:00 opens', // 22:00 EDT
      '2026-11-01T11:00 closes', // 06:00 EST
    ]);
  });

  it('does not open for a window in the hour that is skipped, and begins one that starts in it after it', () => {
    const skipped = newYork({ days: DAYS, from: '02:10', to: '02:50' });
    expect(changes(skipped, '2026-03-08T00:00Z', '2026-03-09T00:00Z')).toEqual([]);
    const half = newYork({ days: DAYS, from: '02:30', to: '05:00' });
    expect(changes(half, '2026-03-08T00:00Z', '2026-03-09T00:00Z')).toEqual([
      '2026-03-08T07:00 opens', // 03:00 EDT, which follows 01:59 EST
      '2026-03-08T09:00 closes',
    ]);
  });

  it('opens twice for a window in the hour that comes twice', () => {
    const twice = london({ days: ['sun'], from: '01:10', to: '01:40' });
    expect(changes(twice, '2026-10-25T00:00Z', '2026-10-26T00:00Z')).toEqual([
      '2026-10-25T00:10 opens',
      '2026-10-25T00:40 closes',
      '2026-10-25T01:10 opens',
      '2026-10-25T01:40 closes',
    ]);
  });

  it('knows zones that change by half an hour, and days that a place skipped', () => {
    const lordHowe: Schedule = {
      windows: [{ days: DAYS, from: '02:00', to: '03:00' }],
      timeZone: 'Australia/Lord_Howe',
    };
    expect(changes(lordHowe, '2026-10-03T12:00Z', '2026-10-04T12:00Z')).toEqual([
      '2026-10-03T15:30 opens', // 02:30, which follows 01:59
      '2026-10-03T16:00 closes',
    ]);
    const apia: Schedule = { windows: [{ days: ['fri'], from: '09:00', to: '10:00' }], timeZone: 'Pacific/Apia' };
    // There was no Friday, 30 December 2011.
    expect(changes(apia, '2011-12-28T00:00Z', '2012-01-05T12:00Z')).toEqual([]);
  });
});

describe('the next change', () => {
  const minute = fc.integer({ min: 0, max: 1_439 });
  const clock = (minutes: number) =>
    `${String(Math.floor(minutes / 60)).padStart(2, '0')}:${String(minutes % 60).padStart(2, '0')}`;
  const window = fc
    .record({ days: fc.uniqueArray(fc.constantFrom(...DAYS), { minLength: 1 }), from: minute, to: minute })
    .map(({ days, from, to }) => ({ days, from: clock(from), to: clock(to) }));
  const schedule = fc.record({
    windows: fc.array(window, { minLength: 1, maxLength: 4 }),
    timeZone: fc.constantFrom('Europe/London', 'America/New_York', 'Asia/Kathmandu', 'Australia/Lord_Howe', 'UTC'),
  });
  const instant = fc.integer({ min: at('2026-01-01T00:00Z'), max: at('2027-01-01T00:00Z') });

  it('is when it really changes, and not before', () => {
    fc.assert(
      fc.property(
        schedule,
        instant,
        fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 20 }),
        (s, now, parts) => {
          const open = isOpen(s, now);
          const change = nextChange(s, now);
          const end = change?.atMs ?? now + 8 * 86_400_000;
          expect(end).toBeGreaterThan(now);
          if (change) {
            expect(change.open).toBe(!open);
            expect(isOpen(s, change.atMs)).toBe(change.open);
            expect(isOpen(s, change.atMs - 1)).toBe(open);
          }
          for (const part of parts) expect(isOpen(s, now + Math.floor(part * (end - now - 1)))).toBe(open);
        },
      ),
      { numRuns: 150 },
    );
  });
});

it('time zones are known by their IANA names only', () => {
  expect(isTimeZone('Europe/London')).toBe(true);
  expect(isTimeZone('Atlantis/Capital')).toBe(false);
  expect(isTimeZone('')).toBe(false);
});
