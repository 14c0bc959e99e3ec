/** The series of a chart, its y axis, and its text alternative. Pure. */
import { clockTime } from '../format/time.js';

export interface Series {
  readonly name: string;
  /** A custom property of app.css. */
  readonly color: string;
  /** Fills the area below the line. */
  readonly isArea?: boolean;
  /** Dashed, so that lines differ in more than colour. */
  readonly isDashed?: boolean;
}

type Column = readonly (number | null)[];

/**
 * The upper end of an axis from 0: the least round number ≥ max(`max`, `least`), so that noise does not fill the chart.
 */
export function axisEnd(max: number | null, least = 1): number {
  const wanted = Math.max(max ?? 0, least);
  const power = 10 ** Math.floor(Math.log10(wanted));
  for (const step of [1, 2, 2.5, 5, 10]) if (step * power >= wanted) return step * power;
  return 10 * power;
}

/** "Submitted: now 12 /s, at most 40 /s at 14:02:30." for each line. */
export function summaryOf(
  series: readonly Series[],
  columns: readonly Column[],
  format: (value: number) => string,
): string {
  const [times = [], ...lines] = columns;
  return series
    .map(({ name }, i) => {
      const line = lines[i] ?? [];
      const now = line.at(-1);
      let most = -1;
      for (let at = 0; at < line.length; at++) {
        if ((line[at] ?? -1) > (line[most] ?? -1)) most = at;
      }
      if (most < 0) return `${name}: nothing in the last ten minutes.`;
      const when = clockTime((times[most] ?? 0) * 1_000);
      const isNow = now === null || now === undefined ? 'nothing' : format(now);
      return `${name}: now ${isNow}, at most ${format(line[most] ?? 0)} at ${when}.`;
    })
    .join(' ');
}
