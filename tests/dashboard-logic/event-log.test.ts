/** The event log: the filter in the URL, matching events, and the rows of a growing log. */

import type { PoolEvent } from '@rma/protocol/event';
import { Query } from '@rma/protocol/up';
import { Value } from 'typebox/value';
import { describe, expect, it } from 'vitest';
import { eventOf, mergeEvents } from '../../dashboard/src/lib/access/audit-log.js';
import {
  historyOf,
  holdsText,
  isOfFilter,
  numberOf,
  readEventFilter,
} from '../../dashboard/src/lib/event-log/event-filter.js';
import {
  addBelow,
  addOnTop,
  eventsOf,
  KEPT,
  type LogRow,
  SHOWN_AT_ONCE,
} from '../../dashboard/src/lib/event-log/log-rows.js';

const names = { worker: (id: string) => (id === 'w-3' ? 'Attic' : undefined) };
const event = (seq: number, part: Partial<PoolEvent> = {}): PoolEvent => ({
  seq,
  at: 1_790_000_000_000,
  type: 'worker.online',
  ...part,
});
const events = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, i) => event(from + i));
const filterOf = (query: string) => readEventFilter(new URLSearchParams(query));

describe('the address of the events', () => {
  it.each([
    ['', { mode: 'now' }],
    ['before=%2312', { mode: 'before', seq: 12 }],
    ['before=7&since=3', { mode: 'before', seq: 7 }],
    ['before=x&since=0', { mode: 'since', seq: 0 }],
    ['before=0', { mode: 'before', seq: 1 }],
    ['before=-1&since=1e9', { mode: 'now' }],
  ])('%j begins where it says', (query, from) => {
    expect(filterOf(query).from).toEqual(from);
  });

  it.each(['', ' ', '#', '12a', '-3', '1.5', '0x10', '1e3', '9'.repeat(16), '＃1', '#1 #2'])(
    '%j is no number of an event',
    (text) => {
      expect(numberOf(text)).toBeUndefined();
    },
  );

  it.each([
    'group=services&subject=%20w-3%20',
    'group=constructor&type=__proto__',
    'group=access&type=token.&subject=t-1&before=0',
    "q='; drop table&type=%F0%9F%98%80",
  ])('asks the coordinator for what it takes: %j', (query) => {
    const filter = filterOf(query);
    const before = filter.from.mode === 'before' ? { before: filter.from.seq } : {};
    expect(Value.Check(Query, { what: 'history', ...before, ...historyOf(filter) })).toBe(true);
  });
});

describe('an event fits', () => {
  const pulled = event(9, { type: 'workload.bound', subject: 'w-3', data: { workload: 'pg' } });

  it.each([
    ['', true],
    ['group=services', true],
    ['group=tasks', false],
    ['group=nothing', true],
    ['type=workload.', true],
    ['type=workload', false],
    ['type=workload.bou', false],
    ['group=tasks&type=workload.bound', true],
    ['subject=w-3', true],
    ['subject=w', false],
  ])('%j: %s', (query, does) => {
    expect(isOfFilter(pulled, filterOf(query))).toBe(does);
  });

  const labelled = event(40, {
    type: 'worker.labelled',
    subject: 'w-3',
    data: { by: 'Ada "the" \\ Lovelace\n', labels: { region: 'eu', rack: '' }, attempts: 17 },
  });

  it.each([' ATTIC ', 'w-3', '#40', 'worker.lab', 'region', 'EU', '"the" \\ love', '17', 'was labelled'])(
    'the text %j: it is in it',
    (text) => {
      expect(holdsText(labelled, text, names)).toBe(true);
    },
  );

  it.each(['seq', '"data"', 'subject', 'attempts', '1790', '{', '#41', 'w-4'])(
    'the text %j: not by what every event has in it',
    (text) => {
      expect(holdsText(labelled, text, names)).toBe(false);
    },
  );

  it('without a subject or data, too', () => {
    expect(holdsText(event(1, { type: 'storage.full' }), 'disk', names)).toBe(true);
    expect(holdsText(event(1, { type: 'storage.full' }), 'undefined', names)).toBe(false);
  });
});

describe('the rows of a log', () => {
  const onTop = (rows: readonly LogRow[], events: readonly PoolEvent[], skipped: number | 'unknown' = 0) =>
    addOnTop(rows, events, skipped === 'unknown' ? undefined : skipped);
  const seqs = (rows: readonly LogRow[]) => rows.map(({ seq }) => seq);
  const gaps = (rows: readonly LogRow[]) => rows.filter((row) => !('event' in row));
  const isInOrder = (rows: readonly LogRow[]) => rows.every(({ seq }, i) => i === 0 || seq < rows[i - 1]!.seq);

  it('have the newest on top, each once, and are the same where nothing is new', () => {
    const rows = onTop(onTop([], events(1, 3)), events(2, 5));
    expect(seqs(rows)).toEqual([5, 4, 3, 2, 1]);
    expect(onTop(rows, [])).toBe(rows);
    expect(onTop(rows, events(1, 5), 4)).toBe(rows);
  });

  it('say how many are left out, and from where they are to be had', () => {
    const rows = onTop([], events(1, 2));
    expect(gaps(onTop(rows, events(3, 2 + SHOWN_AT_ONCE)))).toEqual([]);
    const full = onTop(rows, events(8, 9 + SHOWN_AT_ONCE), 5);
    expect(gaps(full)).toEqual([{ left: 7, before: 10, seq: 9.5 }]);
    expect(eventsOf(full)).toHaveLength(SHOWN_AT_ONCE + 2);
    expect(isInOrder(full)).toBe(true);
    expect(gaps(onTop(rows, [event(9)], 'unknown'))).toEqual([{ left: undefined, before: 9, seq: 8.5 }]);
    expect(gaps(onTop([], [event(9)], 3))).toEqual([{ left: 3, before: 9, seq: 8.5 }]);
  });

  it('leave nothing out between numbers that follow on one another, whatever was skipped before them', () => {
    const rows = onTop([], events(1, 5));
    expect(gaps(onTop(rows, events(4, 7), 27))).toEqual([]);
    expect(gaps(onTop(rows, events(4, 7), 'unknown'))).toEqual([]);
    expect(gaps(onTop(rows, [event(8), event(9)], 27))).toEqual([{ left: 2, before: 8, seq: 7.5 }]);
  });

  it('never grow past their bound, nor end with a gap whose events the next page brings', () => {
    let rows = onTop(onTop([], events(1, 1)), events(2, 2 * SHOWN_AT_ONCE));
    expect(gaps(rows)).toHaveLength(1);
    for (let seq = 2 * SHOWN_AT_ONCE + 1; seq < 3 * KEPT; seq += 1) {
      rows = onTop(rows, events(seq, seq));
      expect(rows.length).toBeLessThanOrEqual(KEPT);
      expect('event' in rows.at(-1)!).toBe(true);
    }
    expect(rows).toHaveLength(KEPT);
    const oldest = rows.at(-1)!.seq;
    const whole = addBelow(rows, events(oldest - 100, oldest).reverse());
    expect(seqs(whole).slice(KEPT - 1, KEPT + 1)).toEqual([oldest, oldest - 1]);
    expect(isInOrder(whole)).toBe(true);
    expect(whole).toHaveLength(KEPT + 100);
  });

  it('take a page of the past below, without what is there already', () => {
    const rows = onTop([], events(8, 9));
    expect(seqs(addBelow(rows, events(5, 8).reverse()))).toEqual([9, 8, 7, 6, 5]);
    expect(seqs(addBelow([], events(5, 6).reverse()))).toEqual([6, 5]);
  });
});

describe('the audit log', () => {
  it('turns an entry into its event, with the name that the coordinator recorded', () => {
    const entry = {
      seq: 4,
      at: 7,
      action: 'worker.revoked',
      by: 'ada',
      token: 't-1',
      subject: 'w-3',
      data: { by: 'mallory' },
    };
    expect(eventOf(entry)).toEqual({
      seq: 4,
      at: 7,
      type: 'worker.revoked',
      subject: 'w-3',
      data: { by: 'ada', token: 't-1' },
    });
  });

  it('has what came live and what was fetched once, the newest first', () => {
    const live = event(9, { data: { by: 'live' } });
    expect(mergeEvents([live], [...events(7, 9)]).map(({ seq }) => seq)).toEqual([9, 8, 7]);
    expect(mergeEvents([], [])).toEqual([]);
  });
});
