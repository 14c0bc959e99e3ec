/** Converts the pool's history to chart columns: times in seconds, counts as rates, null where nothing was measured. */
import type { History } from '@rma/client';

/** Columns of equal length; the first is the time in seconds. */
export type Columns = readonly (readonly (number | null)[])[];

export interface HistoryColumns {
  /** Submitted, succeeded, failed: a second. */
  readonly throughput: Columns;
  /** Queued, running. */
  readonly tasks: Columns;
  /** p50, p95, p99: ms. */
  readonly latency: Columns;
  readonly workers: Columns;
}

/** Without the last bucket, which is incomplete: it would look like a drop at the end of every line. */
export function columnsOf(history: History): HistoryColumns {
  const length = Math.max(0, history.submitted.length - 1);
  const seconds = history.bucketMs / 1_000;
  const at = Array.from({ length }, (_, i) => history.from / 1_000 + (i + 1) * seconds);
  const rate = (column: readonly number[]) => column.slice(0, length).map((value) => value / seconds);
  const level = (column: readonly number[]) => column.slice(0, length);
  const measured = (column: readonly number[]) => column.slice(0, length).map((value) => (value < 0 ? null : value));
  return {
    throughput: [at, rate(history.submitted), rate(history.succeeded), rate(history.failed)],
    tasks: [at, level(history.queued), level(history.running)],
    latency: [at, measured(history.p50), measured(history.p95), measured(history.p99)],
    workers: [at, level(history.online)],
  };
}

/** The end of the last complete bucket; the charts are redrawn when it changes. */
export function lastComplete({ from, bucketMs, submitted }: History): number {
  return from + (submitted.length - 1) * bucketMs;
}

/** The last `count` complete values of a column, for a sparkline; -1 (not measured) repeats the value before. */
export function recentOf(column: readonly number[], count: number): number[] {
  const end = Math.max(0, column.length - 1);
  let last = 0;
  return column.slice(Math.max(0, end - count), end).map((value) => {
    if (value >= 0) last = value;
    return last;
  });
}

/** Of the whole ten minutes. */
export function sumOf(column: readonly number[]): number {
  return column.reduce((sum, value) => sum + value, 0);
}
