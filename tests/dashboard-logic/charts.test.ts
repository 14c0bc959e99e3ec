/** The data and the text alternatives of the charts. */
import type { History, Notice } from '@rma/client';
import { describe, expect, it } from 'vitest';
import { axisEnd, summaryOf } from '../../dashboard/src/lib/charts/series.js';
import { columnsOf, lastComplete, recentOf } from '../../dashboard/src/lib/overview/history-columns.js';
import { noticeHref } from '../../dashboard/src/lib/overview/notices.js';

const history: History = {
  bucketMs: 2_000,
  from: 10_000,
  submitted: [2, 4, 1],
  succeeded: [2, 2, 0],
  failed: [0, 1, 0],
  cancelled: [0, 0, 0],
  queued: [0, 1, 2],
  running: [1, 1, 1],
  online: [3, 3, 3],
  p50: [-1, 12, -1],
  p95: [-1, 20, -1],
  p99: [-1, 30, -1],
};

describe('the columns of the charts', () => {
  const columns = columnsOf(history);

  it('are rates and levels of the complete buckets, at their ends', () => {
    expect(columns.throughput).toEqual([
      [12, 14],
      [1, 2],
      [1, 1],
      [0, 0.5],
    ]);
    expect(columns.tasks).toEqual([
      [12, 14],
      [0, 1],
      [1, 1],
    ]);
    expect(columns.workers).toEqual([
      [12, 14],
      [3, 3],
    ]);
  });

  it('have a gap where nothing was measured', () => {
    expect(columns.latency[1]).toEqual([null, 12]);
  });

  it('are the same until another bucket is complete', () => {
    expect(lastComplete({ ...history, submitted: [2, 4, 9] })).toBe(lastComplete(history));
    expect(lastComplete({ ...history, submitted: [2, 4, 9, 0] })).not.toBe(lastComplete(history));
    expect(lastComplete({ ...history, from: 12_000 })).not.toBe(lastComplete(history));
  });

  it('are empty for a pool that has just begun', () => {
    const none = { ...history, submitted: [], succeeded: [], failed: [], queued: [], running: [], online: [] };
    expect(columnsOf({ ...none, p50: [], p95: [], p99: [] }).throughput).toEqual([[], [], [], []]);
  });
});

describe('a sparkline', () => {
  it('has the last complete values, and repeats them where nothing was measured', () => {
    expect(recentOf([1, 2, 3, 4, 99], 3)).toEqual([2, 3, 4]);
    expect(recentOf([-1, 5, -1, 7, 0], 10)).toEqual([0, 5, 5, 7]);
    expect(recentOf([], 10)).toEqual([]);
  });
});

describe('an axis', () => {
  it('ends at a round number that is no smaller than what it shows', () => {
    expect([0.3, 1, 1.2, 3, 60, 4_980, 100_000].map((max) => axisEnd(max))).toEqual([1, 1, 2, 5, 100, 5_000, 100_000]);
    expect(axisEnd(null, 4)).toBe(5);
  });
});

describe('the summary of a chart', () => {
  it('has the current value and the maximum of each line', () => {
    const series = [
      { name: 'queued', color: '--series-1' },
      { name: 'p50', color: '--series-2' },
    ];
    const text = summaryOf(
      series,
      [
        [10, 12, 14],
        [1, 7, 2],
        [null, null, null],
      ],
      String,
    );
    expect(text).toMatch(/^queued: now 2, at most 7 at \d\d:\d\d:\d\d\. p50: nothing in the last ten minutes\.$/);
  });
});

describe('the link of a notice', () => {
  const notice = (name: Notice['fact'], subject?: string): Notice => ({
    fact: name,
    severity: 'info',
    text: '',
    since: 0,
    ...(subject === undefined ? {} : { subject }),
  });

  it('leads to what it is about, whatever that is called', () => {
    expect(noticeHref(notice('kind.unserved', 'a&b'))).toBe('/tasks?state=queued&kind=a%26b');
    expect(noticeHref(notice('worker.flapping', 'w-1'))).toBe('/workers/w-1');
    expect(noticeHref(notice('tier.unserved', '2'))).toBe('/workers?tier=2');
    expect(noticeHref(notice('storage.full'))).toBeUndefined();
    expect(noticeHref(notice('fact.of.tomorrow' as Notice['fact']))).toBeUndefined();
  });
});
