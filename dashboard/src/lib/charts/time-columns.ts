/** Converts lines over time to uPlot columns: times in seconds, null for unknown values and for gaps. Pure. */
import type { Series } from './series.js';

export interface Line extends Series {
  /** One for each time; null: unknown. */
  readonly values: readonly (number | null)[];
}

/**
 * @param at ms since 1970, ascending
 * @param gapMs a longer distance between two times is drawn as a gap
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
    lines.forEach(({ values }, line) => {
      columns[line]?.push(values[i] ?? null);
    });
  });
  return [times, ...columns];
}
