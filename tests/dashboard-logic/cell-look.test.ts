/** What a cell shows of a worker, and when it has to be drawn anew. */
import type { LiveLoad, WorkerRow } from '@rma/client';
import { describe, expect, it } from 'vitest';
import {
  describeWorker,
  loadShare,
  lookOf,
  looksOther,
  troubleOf,
} from '../../dashboard/src/lib/overview/cell-look.js';
import { groupsOf } from '../../dashboard/src/lib/overview/pool-layout.js';

const row = (changes: Partial<WorkerRow> = {}): WorkerRow => ({
  id: 'w-1',
  name: 'attic',
  state: 'online',
  tier: 2,
  pinned: false,
  trust: 'community',
  labels: {},
  slots: 4,
  services: [{ name: 'embedded', state: 'healthy' }],
  joinedAt: 1,
  lastSeenAt: 1,
  ...changes,
});
const load = (changes: Partial<LiveLoad> = {}): LiveLoad => ({
  running: 1,
  cpu: 50,
  memory: 20,
  gpu: -1,
  celsius: -274,
  ...changes,
});

describe('the load of a cell', () => {
  it('is that of the busiest of CPU and GPU, else of the slots, else not known', () => {
    expect(loadShare(row(), load({ cpu: 30, gpu: 90 }))).toBe(0.9);
    expect(loadShare(row(), load({ cpu: -1, running: 3 }))).toBe(0.75);
    expect(loadShare(row({ slots: 0 }), load({ cpu: -1 }))).toBeUndefined();
    expect(loadShare(row(), undefined)).toBeUndefined();
  });

  it('is drawn in steps, so that a flicker is no reason to draw', () => {
    const a = lookOf(row(), load({ cpu: 50 }));
    expect(looksOther(a, lookOf(row(), load({ cpu: 51, running: 4 })))).toBe(false);
    expect(looksOther(a, lookOf(row(), load({ cpu: 60 })))).toBe(true);
    expect(looksOther(a, lookOf(row({ state: 'draining' }), load()))).toBe(true);
    expect(looksOther(a, lookOf(row({ name: 'cellar' }), load()))).toBe(true);
    expect(looksOther(undefined, a)).toBe(true);
  });
});

describe('the trouble of a cell', () => {
  it('is the worst that there is', () => {
    const sick: WorkerRow['services'] = [{ name: 'vllm', state: 'unhealthy' }];
    expect(troubleOf(row(), load())).toBeUndefined();
    expect(troubleOf(row({ state: 'draining' }), load())).toBe('draining');
    expect(troubleOf(row({ state: 'draining' }), load({ celsius: 95 }))).toBe('hot');
    expect(troubleOf(row({ services: sick }), load({ celsius: 95 }))).toBe('unhealthy');
    expect(troubleOf(row({ state: 'away', services: sick }), undefined)).toBe('away');
    expect(troubleOf(row({ state: 'offline' }), undefined)).toBe('offline');
  });

  it('is told in words', () => {
    expect(describeWorker(row(), load())).toBe('attic, tier 2, online, 50 % busy, 1 task running');
    expect(describeWorker(row({ state: 'offline' }), undefined)).toBe('attic, tier 2, offline');
    expect(describeWorker(row(), load({ celsius: 99 }))).toContain(', hot, ');
  });
});

describe('the tiers of the picture', () => {
  it('hold the workers in the order in which they joined, without the revoked ones', () => {
    const rows = [
      row({ id: 'b', joinedAt: 2 }),
      row({ id: 'a', joinedAt: 2 }),
      row({ id: 'c', joinedAt: 1, state: 'offline' }),
      row({ id: 'd', tier: 1 }),
      row({ id: 'e', state: 'revoked' }),
    ];
    const groups = groupsOf(rows).filter(({ ids }) => ids.length > 0);
    expect(groups).toEqual([
      { tier: 1, ids: ['d'] },
      { tier: 2, ids: ['c', 'a', 'b'] },
    ]);
  });
});
