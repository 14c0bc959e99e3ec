/** Series over time as the chart takes them: seconds, nothing for what is unknown, a gap where nothing was measured. */
export interface TimeSeries {
  readonly label: string;
  /** As many as there are times; null: unknown. */
  readonly values: readonly (number | null)[];
  /** A token of app.css, such as `--series-1` */
  readonly colour: string;
}

/**
 * @param at ms since 1970, ascending
 * @param gapMs two times that are further apart have a gap between them
 */
export function timeColumns(
  at: readonly number[],
  series: readonly TimeSeries[],
  gapMs: number,
): [number[], ...(number | null)[][]] {
  const times: number[] = [];
  const columns = series.map((): (number | null)[] => []);
  at.forEach((time, i) => {
    const before = at[i - 1];
    if (before !== undefined && time - before > gapMs) {
      times.push((before + 1) / 1_000);
      for (const column of columns) column.push(null);
    }
    times.push(time / 1_000);
    series.forEach(({ values }, place) => {
      columns[place]?.push(values[i] ?? null);
    });
  });
  return [times, ...columns];
}

export interface Summary {
  readonly last: number | null;
  readonly highest: number | null;
}

export function summaryOf(values: readonly (number | null)[]): Summary {
  let highest: number | null = null;
  for (const value of values) if (value !== null && (highest === null || value > highest)) highest = value;
  return { last: values.at(-1) ?? null, highest };
}
