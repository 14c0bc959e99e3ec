/** The pool picture: every worker has its own cell, all fit, and keys reach each. */
import { describe, expect, it } from 'vitest';
import { cellAt, layoutPool, type PoolLayout, stepFrom } from '../../dashboard/src/lib/overview/pool-layout.js';

const ids = (count: number, prefix = 'w') => Array.from({ length: count }, (_, i) => `${prefix}-${i}`);

function crowd(gpu: number, service: number, data: number): PoolLayout {
  const groups = [
    { tier: 1, ids: ids(gpu, 'g') },
    { tier: 2, ids: ids(service, 's') },
    { tier: 3, ids: ids(data, 'd') },
    { tier: 0, ids: [] },
  ];
  return layoutPool(groups, 1_000, 400);
}

describe('the layout', () => {
  it.each([
    [1, 2, 0],
    [9, 36, 15],
    [300, 1_200, 500],
  ])('puts %i, %i and %i workers into the room there is, no two of them in one place', (...counts) => {
    const layout = crowd(...counts);
    const total = counts.reduce((sum, count) => sum + count, 0);
    expect(layout.ids).toHaveLength(total);
    expect(layout.height).toBeLessThanOrEqual(400);
    const places = new Set(layout.ids.map((_, i) => `${layout.x[i]} ${layout.y[i]}`));
    expect(places.size).toBe(total);
    for (let i = 0; i < total; i++) expect(layout.x[i]! + layout.form.width).toBeLessThanOrEqual(1_000);
  });

  it('draws few workers large, with their names, and many small', () => {
    expect(crowd(1, 2, 0).form.named).toBe(true);
    expect(crowd(300, 1_200, 500).form.width).toBeLessThan(20);
  });

  it('grows in height rather than hide anybody', () => {
    const layout = layoutPool([{ tier: 2, ids: ids(10_000) }], 300, 400);
    expect(layout.height).toBeGreaterThan(400);
    expect(layout.ids).toHaveLength(10_000);
  });

  it('is empty for an empty pool, and needs no room', () => {
    const layout = crowd(0, 0, 0);
    expect(layout.groups).toEqual([]);
    expect(layout.height).toBe(0);
    expect(cellAt(layout, 5, 5)).toBe(-1);
  });

  it('has one column on the narrowest screen', () => {
    expect(layoutPool([{ tier: 2, ids: ids(3) }], 4, 400).columns).toBe(1);
  });
});

describe('the cell at a point', () => {
  it.each([
    [1, 2, 0],
    [9, 36, 15],
    [300, 1_200, 500],
  ])('is found for each of %i, %i and %i', (...counts) => {
    const layout = crowd(...counts);
    const { width, height } = layout.form;
    for (let i = 0; i < layout.ids.length; i++) {
      expect(cellAt(layout, layout.x[i]! + width / 2, layout.y[i]! + height / 2)).toBe(i);
    }
  });

  it('is none on a label, beyond the last cell and beside the columns', () => {
    const layout = crowd(9, 36, 15);
    expect(cellAt(layout, 5, 5)).toBe(-1);
    expect(cellAt(layout, 999.5, layout.y[0]! + 2)).toBe(-1);
    expect(cellAt(layout, 5, 10_000)).toBe(-1);
    expect(cellAt(layout, -3, layout.y[0]! + 2)).toBe(-1);
  });
});

describe('keys', () => {
  const layout = layoutPool(
    [
      { tier: 1, ids: ids(3, 'g') },
      { tier: 2, ids: ids(25, 's') },
    ],
    10 * 154,
    10_000,
  );

  it('go on along a row and over its end', () => {
    expect(layout.columns).toBe(9);
    expect(stepFrom(layout, 0, 'ArrowRight')).toBe(1);
    expect(stepFrom(layout, 2, 'ArrowRight')).toBe(3);
    expect(stepFrom(layout, 0, 'ArrowLeft')).toBe(0);
    expect(stepFrom(layout, 27, 'ArrowRight')).toBe(27);
    expect(stepFrom(layout, 5, 'Home')).toBe(0);
    expect(stepFrom(layout, 5, 'End')).toBe(27);
  });

  it('go from row to row in a column, and from tier to tier', () => {
    expect(stepFrom(layout, 1, 'ArrowDown')).toBe(4);
    expect(stepFrom(layout, 4, 'ArrowDown')).toBe(13);
    expect(stepFrom(layout, 4, 'ArrowUp')).toBe(1);
    expect(stepFrom(layout, 1, 'ArrowUp')).toBe(1);
    // A row with fewer cells leads to its last one.
    expect(stepFrom(layout, 11, 'ArrowUp')).toBe(2);
    expect(stepFrom(layout, 20, 'ArrowDown')).toBe(27);
    expect(stepFrom(layout, 27, 'ArrowDown')).toBe(27);
  });

  it('reach every cell', () => {
    const reached = new Set([0]);
    for (let at = 0, before = -1; at !== before; ) {
      before = at;
      at = stepFrom(layout, at, 'ArrowRight');
      reached.add(at);
    }
    expect(reached.size).toBe(28);
  });
});
