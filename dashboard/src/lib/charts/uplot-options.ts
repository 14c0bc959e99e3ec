/** The look of all time charts, as uPlot wants it: colours are asked for at every draw, so that a theme is a redraw. */
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
  /** The end of the axis, where it is given: it, its half and 0 are rounder than what a scale of tens makes of GiB. */
  readonly max: number | undefined;
  /** Where the time axis ends, s, if that is after the last column. */
  readonly until: () => number;
  /** The cursor is at this place of the columns; null: nowhere. */
  readonly onCursor: (index: number | null) => void;
}

const CLOCK = new Intl.DateTimeFormat('en-GB', { hour: '2-digit', minute: '2-digit' });
const FONT = '11px "Geist Variable", system-ui, sans-serif';

/** Resolved once a theme: asking for computed styles at every draw is slow. */
export class Colours {
  readonly #known = new Map<string, string>();

  of(token: string): string {
    let value = this.#known.get(token);
    if (value === undefined) {
      value = colour(token);
      this.#known.set(token, value);
    }
    return value;
  }

  forget(): void {
    this.#known.clear();
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
