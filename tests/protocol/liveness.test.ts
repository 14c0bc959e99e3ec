import { reconnectDelayMs, retryDelayMs } from '@rma/protocol/backoff';
import { HEARTBEAT_MS, judgeLiveness, livenessAt, SILENCE_MS } from '@rma/protocol/liveness';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

const random = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });
const times = fc.array(fc.integer({ min: 1, max: 2_000 }), { minLength: 1, maxLength: 60 });

describe('liveness', () => {
  it('asks for a heartbeat after 3 s without sending, and not before', () => {
    const liveness = livenessAt(0);
    expect(judgeLiveness(liveness, HEARTBEAT_MS - 1, 0)).toBe('ok');
    expect(judgeLiveness(liveness, HEARTBEAT_MS, 0)).toBe('heartbeat');
  });

  it('takes a peer for dead after 8 s without hearing, however much was sent', () => {
    const liveness = { heardAtMs: 0, sentAtMs: SILENCE_MS };
    expect(judgeLiveness(liveness, SILENCE_MS - 1, 0)).toBe('ok');
    expect(judgeLiveness(liveness, SILENCE_MS, 0)).toBe('dead');
  });

  it('never takes a peer for dead that sends a heartbeat when it is due, looked at every second', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 999 }), fc.integer({ min: 0, max: 2_000 }), (phaseMs, latencyMs) => {
        const [here, there] = [livenessAt(0), livenessAt(0)];
        const arrivals: number[] = [];
        for (let nowMs = 0; nowMs < 60_000; nowMs += 100) {
          if (nowMs % 1_000 === phaseMs - (phaseMs % 100) && judgeLiveness(there, nowMs, 0) === 'heartbeat') {
            there.sentAtMs = nowMs;
            arrivals.push(nowMs + latencyMs);
          }
          there.heardAtMs = nowMs;
          while (arrivals[0] !== undefined && arrivals[0] <= nowMs) here.heardAtMs = arrivals.shift()!;
          here.sentAtMs = nowMs;
          expect(judgeLiveness(here, nowMs, 0)).toBe('ok');
        }
      }),
      { numRuns: 50 },
    );
  });

  it('does not take its own standstill for the silence of its peer, however long it was', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: SILENCE_MS - 1 }), fc.integer({ min: 1, max: 1e9 }), (quietMs, lagMs) => {
        const liveness = livenessAt(0);
        expect(judgeLiveness(liveness, quietMs + lagMs, lagMs)).not.toBe('dead');
      }),
    );
  });

  it('is not put off for ever by small delays: a peer that is silent is found dead', () => {
    fc.assert(
      fc.property(times, (lags) => {
        const liveness = livenessAt(0);
        let nowMs = 0;
        for (const lag of lags) {
          nowMs += 1_000 + lag;
          judgeLiveness(liveness, nowMs, lag);
          expect(liveness.heardAtMs).toBeLessThanOrEqual(nowMs);
        }
        expect(judgeLiveness(liveness, nowMs + SILENCE_MS, 0)).toBe('dead');
      }),
    );
  });
});

describe('the wait before the next dial', () => {
  it('is never above its cap: 5 s in the first minute, 30 s later', () => {
    fc.assert(
      fc.property(fc.nat(1e6), fc.nat(1e9), random, (attempt, offlineMs, r) => {
        const wait = reconnectDelayMs(attempt, offlineMs, r);
        expect(Number.isInteger(wait)).toBe(true);
        expect(wait).toBeGreaterThanOrEqual(0);
        expect(wait).toBeLessThan(offlineMs < 60_000 ? 5_000 : 30_000);
      }),
    );
  });

  it('is spread over the whole range, so that thousands do not come back at once', () => {
    expect(reconnectDelayMs(10, 0, 0)).toBe(0);
    expect(reconnectDelayMs(10, 0, 0.5)).toBe(2_500);
    expect(reconnectDelayMs(10, 60_000, 0.5)).toBe(15_000);
  });

  it('is at most 250 ms at first and doubles', () => {
    expect([0, 1, 2, 3].map((attempt) => reconnectDelayMs(attempt, 0, 0.9999))).toEqual([249, 499, 999, 1_999]);
  });
});

describe('the wait before the next attempt of a task', () => {
  it('doubles from the first, ends at a minute, and varies by a quarter', () => {
    expect([1, 2, 3].map((failures) => retryDelayMs(failures, 1_000, 0))).toEqual([750, 1_500, 3_000]);
    fc.assert(
      fc.property(fc.nat(1e6), fc.nat(3_600_000), random, (failures, firstMs, r) => {
        const wait = retryDelayMs(failures, firstMs, r);
        expect(wait).toBeGreaterThanOrEqual(Math.floor(Math.min(60_000, firstMs) * 0.75));
        expect(wait).toBeLessThanOrEqual(60_000);
      }),
    );
  });
});
