/** The pure parts of the virtual table: columns, keys, selection. */
import { describe, expect, it } from 'vitest';
import { leastWidthOf, sortBy, type TableColumn, tracksOf } from '../../dashboard/src/lib/ui/table/columns.js';
import { choose, placeAfter } from '../../dashboard/src/lib/ui/table/rows.js';

const NAME: TableColumn = { id: 'name', label: 'Name', width: 200, grow: 2 };
const LOAD: TableColumn = { id: 'load', label: 'Load', width: 80, align: 'end' };

describe('the columns of a table', () => {
  it('share what is left among those that grow, beside the boxes', () => {
    expect(tracksOf([NAME, LOAD], false)).toBe('minmax(200px, 2fr) 80px');
    expect(tracksOf([NAME, LOAD], true)).toBe('24px minmax(200px, 2fr) 80px');
  });

  it('are one where rows are cards', () => {
    expect(tracksOf(undefined, false)).toBe('minmax(0, 1fr)');
    expect(tracksOf(undefined, true)).toBe('24px minmax(0, 1fr)');
  });

  it('need their widths, the gaps between and the room beside; cards need none', () => {
    expect(leastWidthOf([NAME, LOAD], false)).toBe(200 + 16 + 80 + 2 * 16);
    expect(leastWidthOf([NAME, LOAD], true)).toBe(24 + 16 + 200 + 16 + 80 + 2 * 16);
    expect(leastWidthOf(undefined, true)).toBe(0);
  });

  it('order from the lowest first, figures from the highest, and the other way round when pressed again', () => {
    expect(sortBy(NAME, undefined)).toEqual({ column: 'name', isDescending: false });
    expect(sortBy(LOAD, { column: 'name', isDescending: true })).toEqual({ column: 'load', isDescending: true });
    expect(sortBy(LOAD, { column: 'load', isDescending: true })).toEqual({ column: 'load', isDescending: false });
  });
});

describe('a key on a row', () => {
  it.each([
    ['ArrowDown', 5, 6],
    ['ArrowUp', 5, 4],
    ['PageDown', 5, 15],
    ['PageUp', 15, 5],
    ['Home', 5, 0],
    ['End', 5, 99],
    ['ArrowUp', 0, 0],
    ['ArrowDown', 99, 99],
    ['PageUp', 3, 0],
    ['PageDown', 95, 99],
  ])('%s from %i leads to %i of a hundred', (key, from, to) => {
    expect(placeAfter(key, from, 100)).toBe(to);
  });

  it.each(['Enter', 'Tab', 'x'])('%s leads nowhere', (key) => {
    expect(placeAfter(key, 5, 100)).toBeUndefined();
  });
});

describe('a press on the box of a row', () => {
  const ROWS = ['a', 'b', 'c', 'd', 'e'];
  const press = (chosen: string[], key: string, since?: string) =>
    [...choose(new Set(chosen), ROWS, (row) => row, key, since)].sort().join('');

  it('chooses it, or no more', () => {
    expect(press(['a'], 'c')).toBe('ac');
    expect(press(['a', 'c'], 'c')).toBe('a');
  });

  it('does the same to all since the one pressed before, in either direction', () => {
    expect(press(['b'], 'd', 'b')).toBe('bcd');
    expect(press(['d'], 'b', 'd')).toBe('bcd');
    expect(press(['a', 'b', 'c', 'd'], 'd', 'b')).toBe('a');
  });

  it('changes it alone where the one pressed before is gone', () => {
    expect(press(['b'], 'd', 'gone')).toBe('bd');
  });

  it('leaves what was chosen before as it was', () => {
    const before = new Set(['a']);
    choose(before, ROWS, (row) => row, 'b');
    expect([...before]).toEqual(['a']);
  });
});
