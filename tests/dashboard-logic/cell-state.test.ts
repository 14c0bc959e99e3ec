/** The state that a cell shows of a worker, and when it must be redrawn. */
import type { LiveLoad, WorkerRow } from '@rma/client';
import { describe, expect, it } from 'vitest';
import {
  cellProblemOf,
  cellStateOf,
  describeWorker,
  loadShare,
  needsRedraw,
} from '../../dashboard/src/lib/overview/cell-state.js';
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

  it('is quantised, so that small changes need no redraw', () => {
    const a = cellStateOf(row(), load({ cpu: 50 }));
    expect(needsRedraw(a, cellStateOf(row(), load({ cpu: 51, running: 4 })))).toBe(false);
    expect(needsRedraw(a, cellStateOf(row(), load({ cpu: 60 })))).toBe(true);
    expect(needsRedraw(a, cellStateOf(row({ state: 'draining' }), load()))).toBe(true);
    expect(needsRedraw(a, cellStateOf(row({ name: 'cellar' }), load()))).toBe(true);
    expect(needsRedraw(undefined, a)).toBe(true);
  });
});

describe('the problem of a cell', () => {
  it('is the worst one', () => {
    const unhealthy: WorkerRow['services'] = [{ name: 'vllm', state: 'unhealthy' }];
    expect(cellProblemOf(row(), load())).toBeUndefined();
    expect(cellProblemOf(row({ state: 'draining' }), load())).toBe('draining');
    expect(cellProblemOf(row({ state: 'draining' }), load({ celsius: 95 }))).toBe('hot');
    expect(cellProblemOf(row({ services: unhealthy }), load({ celsius: 95 }))).toBe('unhealthy');
    expect(cellProblemOf(row({ state: 'away', services: unhealthy }), undefined)).toBe('away');
    expect(cellProblemOf(row({ state: 'offline' }), undefined)).toBe('offline');
  });

  it('is described in words', () => {
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
