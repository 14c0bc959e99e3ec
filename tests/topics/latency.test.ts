/** The histogram of latencies, and ten minutes in buckets. */
import { makeEffects } from '@rma/server/core/effects';
import { Latency } from '@rma/server/topics/latency';
import { BUCKET_MS, KEPT_BUCKETS, mergeHistories, PoolHistory } from '@rma/server/topics/pool-history';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { endedTask } from './support/task.js';

describe('the histogram', () => {
  it('has every quantile within 10 % of the true value', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 2, max: 50_000_000 }), { minLength: 1, maxLength: 300 }), (durations) => {
        const latency = new Latency();
        for (const ms of durations) latency.add(ms);
        const sorted = [...durations].sort((a, b) => a - b);
        for (const q of [0.5, 0.95, 0.99]) {
          const exact = sorted[Math.max(0, Math.ceil(sorted.length * q) - 1)]!;
          expect(Math.abs(latency.quantile(q) - exact) / exact).toBeLessThan(0.1);
        }
      }),
    );
  });

  it('has no quantile while it is empty', () => {
    expect(new Latency().quantile(0.5)).toBe(-1);
  });
});

describe('the history', () => {
  const levels = { queued: 3, running: 2, online: 1 };
  const start = 1_000 * BUCKET_MS;

  it('counts in the bucket of now, and keeps ten minutes', () => {
    const history = new PoolHistory(start);
    for (let bucket = 0; bucket < KEPT_BUCKETS + 10; bucket++) {
      const at = start + bucket * BUCKET_MS;
      history.advance(levels, at);
      const effects = makeEffects();
      effects.persist.tasks.add(endedTask({ state: 'succeeded', submittedAt: at - 100, endedAt: at }));
      effects.persist.tasks.add(endedTask({ state: 'expired', submittedAt: at - 100, endedAt: at }));
      history.count(effects);
      history.advance(levels, at + 1);
    }
    const all = history.read();
    expect(all.submitted).toHaveLength(KEPT_BUCKETS);
    expect(all.from).toBe(start + 10 * BUCKET_MS);
    expect(new Set(all.succeeded)).toEqual(new Set([1]));
    expect(new Set(all.failed)).toEqual(new Set([1]));
    expect(all.p50.at(-1)).toBeGreaterThan(90);
    expect(all.p50.at(-1)).toBeLessThan(110);
    expect(history.latency()?.p99).toBeLessThan(110);
    expect(all.queued.at(-1)).toBe(3);
  });

  it('begins anew where the clock was set by hours', () => {
    const history = new PoolHistory(start);
    history.advance(levels, start + BUCKET_MS);
    history.advance(levels, start - 7_200_000);
    expect(history.read().from).toBe(start - 7_200_000);
    expect(history.read().submitted).toHaveLength(1);
  });

  it('merges two changes into what the later says, beside what only the earlier does', () => {
    const history = new PoolHistory(start);
    history.advance(levels, start + 2 * BUCKET_MS);
    const earlier = history.read(2);
    history.advance({ queued: 9, running: 9, online: 9 }, start + 3 * BUCKET_MS);
    const merged = mergeHistories(earlier, history.read(2));
    expect(merged.from).toBe(earlier.from);
    expect(merged.queued).toEqual([3, 9, 9]);
  });
});
