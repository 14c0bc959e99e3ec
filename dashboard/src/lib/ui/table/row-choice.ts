/** Which rows are chosen after a press on a box: one more or less, or with Shift all from the one pressed before. Pure. */

/**
 * @param key of the row that was pressed
 * @param since key of the row where a range begins; where there is none, or it is gone, only `key` changes
 * @returns `chosen` with all that changed as `key` did
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
