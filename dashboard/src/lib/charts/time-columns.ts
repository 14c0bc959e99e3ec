/** Lines over time as a chart takes them: seconds, nothing for what is unknown, a gap where nothing was measured. Pure. */
import type { Series } from './series.js';

export interface Line extends Series {
  /** As many as there are times; null: unknown. */
  readonly values: readonly (number | null)[];
}

/**
 * @param at ms since 1970, ascending
 * @param gapMs two times that are further apart have a gap between them
 */
export function timeColumns(
  at: readonly number[],
  lines: readonly Line[],
  gapMs: number,
): [number[], ...(number | null)[][]] {
  const times: number[] = [];
  const columns = lines.map((): (number | null)[] => []);
  at.forEach((time, i) => {
    const before = at[i - 1];
    if (before !== undefined && time - before > gapMs) {
      times.push((before + 1) / 1_000);
      for (const column of columns) column.push(null);
    }
    times.push(time / 1_000);
    lines.forEach(({ values }, place) => {
      columns[place]?.push(values[i] ?? null);
    });
  });
  return [times, ...columns];
}
