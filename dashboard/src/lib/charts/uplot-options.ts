/** uPlot options of all time charts. Colours are resolved at each draw, so that a change of theme needs only a redraw. */
import type uPlot from 'uplot';
import { colour } from '$lib/theme.svelte.js';
import { axisEnd, type Series } from './series.js';

export interface ChartOptions {
  readonly series: readonly Series[];
  readonly format: (value: number) => string;
  /** Charts of one key share their cursor. */
  readonly syncKey: string;
  /** Of the time axis, s. */
  readonly spanSeconds: number;
  readonly least: number;
  /** Fixed end of the y axis: its ticks are 0, half and all, since decimal steps give odd values for GiB. */
  readonly max: number | undefined;
  /** The time axis ends here (s) or at the last column, whichever is later. */
  readonly until: () => number;
  /** Called with the index of the column under the cursor; null: none. */
  readonly onCursor: (index: number | null) => void;
}

const CLOCK = new Intl.DateTimeFormat('en-GB', { hour: '2-digit', minute: '2-digit' });
const FONT = '11px "Geist Variable", system-ui, sans-serif';

/** Caches colours until the theme changes: reading computed styles at each draw is slow. */
export class Colours {
  readonly #cache = new Map<string, string>();

  of(token: string): string {
    let value = this.#cache.get(token);
    if (value === undefined) {
      value = colour(token);
      this.#cache.set(token, value);
    }
    return value;
  }

  forget(): void {
    this.#cache.clear();
  }
}

export function uplotOptions(options: ChartOptions, colours: Colours, width: number, height: number): uPlot.Options {
  const { series, format, syncKey, spanSeconds, least, max: end, until, onCursor } = options;
  const axis = { stroke: () => colours.of('--text-faint'), font: FONT, ticks: { show: false } };
  return {
    width,
    height,
    padding: [8, 4, 0, 0],
    legend: { show: false },
    cursor: {
      sync: { key: syncKey },
      y: false,
      drag: { x: false, y: false },
      points: { size: 6 },
    },
    scales: {
      x: {
        time: true,
        range: (_chart, _min, max) => {
          const last = Math.max(max, until());
          return [last - spanSeconds, last];
        },
      },
      y: { range: (_chart, _min, max) => [0, end ?? axisEnd(max, least)] },
    },
    axes: [
      {
        ...axis,
        size: 24,
        space: 64,
        grid: { show: false },
        values: (_chart, splits) => splits.map((seconds) => CLOCK.format(seconds * 1_000)),
      },
      {
        ...axis,
        size: (_chart, values) => 12 + 6.5 * Math.max(3, ...(values ?? []).map((value) => value?.length ?? 0)),
        space: 36,
        grid: { stroke: () => colours.of('--line'), width: 1 },
        values: (_chart, splits) => splits.map((value) => format(value)),
        ...(end === undefined ? {} : { splits: () => [0, end / 2, end] }),
      },
    ],
    series: [
      {},
      ...series.map(({ name, color, isArea, isDashed }) => ({
        label: name,
        stroke: () => colours.of(color),
        width: 1.5,
        points: { show: false },
        ...(isDashed ? { dash: [5, 4] } : {}),
        ...(isArea ? { fill: () => `color-mix(in srgb, ${colours.of(color)} 12%, transparent)` } : {}),
      })),
    ],
    hooks: { setCursor: [(chart) => onCursor(chart.cursor.idx ?? null)] },
  };
}
