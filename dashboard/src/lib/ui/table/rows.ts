/** Moving between rows by keys, and selecting rows by checkboxes. Pure. */

/** Rows that Page Up and Page Down move by. */
const PAGE = 10;

/** @returns the index of the row that a key leads to; undefined for other keys */
export function placeAfter(key: string, from: number, count: number): number | undefined {
  switch (key) {
    case 'ArrowDown':
      return Math.min(count - 1, from + 1);
    case 'ArrowUp':
      return Math.max(0, from - 1);
    case 'PageDown':
      return Math.min(count - 1, from + PAGE);
    case 'PageUp':
      return Math.max(0, from - PAGE);
    case 'Home':
      return 0;
    case 'End':
      return count - 1;
    default:
      return undefined;
  }
}

/**
 * The selection after a press on a checkbox: toggles one row, or a range.
 * @param key of the row that was pressed
 * @param since key of the row where a range begins (Shift); ignored if that row is gone
 * @returns `chosen`, with all rows of the range set as `key` now is
 */
export function choose<T>(
  chosen: ReadonlySet<string>,
  rows: readonly T[],
  keyOf: (row: T) => string,
  key: string,
  since?: string,
): Set<string> {
  const next = new Set(chosen);
  const isChosen = !next.has(key);
  const from = since === undefined ? -1 : rows.findIndex((row) => keyOf(row) === since);
  const to = rows.findIndex((row) => keyOf(row) === key);
  const keys = from < 0 ? [key] : rows.slice(Math.min(from, to), Math.max(from, to) + 1).map(keyOf);
  for (const one of keys) {
    if (isChosen) next.add(one);
    else next.delete(one);
  }
  return next;
}
