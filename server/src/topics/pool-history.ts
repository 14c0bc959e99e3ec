/**
 * Ten minutes of the pool in buckets of two seconds, as columns: counted after each commit, in memory, bounded by
 * KEPT_BUCKETS. The last bucket is the open one.
 */
import type { History } from '@rma/protocol/topic';
import type { Effects } from '../core/effects.js';
import { Latency } from './latency.js';

export const BUCKET_MS = 2_000;
export const KEPT_BUCKETS = 300;
/** The last minute. */
const MINUTE_BUCKETS = 30;
/** Over which rates are averaged. */
const RATE_BUCKETS = 3;

/** Gauges, recorded as of the end of a bucket. */
export interface Levels {
  readonly queued: number;
  readonly running: number;
  readonly online: number;
}

const COLUMNS = [
  'submitted',
  'succeeded',
  'failed',
  'cancelled',
  'queued',
  'running',
  'online',
  'p50',
  'p95',
  'p99',
] as const;

const emptyHistory = (from: number): History => ({
  bucketMs: BUCKET_MS,
  from,
  submitted: [],
  succeeded: [],
  failed: [],
  cancelled: [],
  queued: [],
  running: [],
  online: [],
  p50: [],
  p95: [],
  p99: [],
});

export class PoolHistory {
  readonly #columns: History;
  readonly #latency = new Latency();
  /** Histograms of the closed buckets of the last minute, the oldest first. */
  #closed: Latency[] = [];

  constructor(wallMs: number) {
    this.#columns = emptyHistory(Math.floor(wallMs / BUCKET_MS) * BUCKET_MS);
    this.#open();
  }

  /** Counts what a commit changed. */
  count({ persist }: Effects): void {
    const columns = this.#columns;
    const last = columns.submitted.length - 1;
    for (const { type } of persist.events) if (type === 'task.submitted') columns.submitted[last]!++;
    for (const task of persist.tasks) {
      if (task.endedAt === 0) continue;
      if (task.state === 'succeeded') {
        columns.succeeded[last]!++;
        this.#latency.add(task.endedAt - task.submittedAt);
      } else if (task.state === 'cancelled') columns.cancelled[last]!++;
      else columns.failed[last]!++;
    }
  }

  /** Opens buckets up to now. Called at least once per bucket. */
  advance(levels: Levels, wallMs: number): void {
    const columns = this.#columns;
    this.#record(levels);
    const end = () => columns.from + columns.submitted.length * BUCKET_MS;
    // The wall clock was set: older buckets have no place on it.
    if (wallMs < end() - 2 * BUCKET_MS || wallMs > end() + KEPT_BUCKETS * BUCKET_MS) {
      for (const column of COLUMNS) columns[column].length = 0;
      columns.from = Math.floor(wallMs / BUCKET_MS) * BUCKET_MS;
      this.#open();
      this.#record(levels);
      return;
    }
    while (wallMs >= end()) {
      const closed = new Latency();
      closed.addAll(this.#latency);
      this.#closed = [...this.#closed, closed].slice(1 - MINUTE_BUCKETS);
      this.#latency.clear();
      this.#open();
      this.#record(levels);
    }
  }

  /** The last `buckets`, by default all. */
  read(buckets = KEPT_BUCKETS): History {
    const columns = this.#columns;
    const from = Math.max(0, columns.submitted.length - buckets);
    const read = emptyHistory(columns.from + from * BUCKET_MS);
    for (const column of COLUMNS) read[column] = columns[column].slice(from);
    return read;
  }

  /** Quantiles of the last minute, in ms; undefined where nothing succeeded. */
  latency(): { p50: number; p95: number; p99: number } | undefined {
    const minute = new Latency();
    for (const latency of this.#closed) minute.addAll(latency);
    minute.addAll(this.#latency);
    if (minute.total === 0) return undefined;
    return { p50: minute.quantile(0.5), p95: minute.quantile(0.95), p99: minute.quantile(0.99) };
  }

  /** Means over the last RATE_BUCKETS, the open one counted by its age. */
  perSecond(wallMs: number): { submitted: number; succeeded: number; failed: number } {
    const columns = this.#columns;
    const { length } = columns.submitted;
    const buckets = Math.min(length, RATE_BUCKETS);
    const openMs = wallMs - (columns.from + (length - 1) * BUCKET_MS);
    const seconds = Math.max(0.5, ((buckets - 1) * BUCKET_MS + Math.min(BUCKET_MS, Math.max(0, openMs))) / 1_000);
    const mean = (column: readonly number[]) =>
      Math.round((column.slice(-buckets).reduce((sum, value) => sum + value, 0) / seconds) * 10) / 10;
    return { submitted: mean(columns.submitted), succeeded: mean(columns.succeeded), failed: mean(columns.failed) };
  }

  /** Tasks that ended in the last minute. */
  outcomes(): { succeeded: number; failed: number } {
    const sum = (column: readonly number[]) => column.slice(-MINUTE_BUCKETS).reduce((a, b) => a + b, 0);
    return { succeeded: sum(this.#columns.succeeded), failed: sum(this.#columns.failed) };
  }

  #open(): void {
    const columns = this.#columns;
    for (const column of COLUMNS) columns[column].push(column.startsWith('p') ? -1 : 0);
    if (columns.submitted.length <= KEPT_BUCKETS) return;
    for (const column of COLUMNS) columns[column].shift();
    columns.from += BUCKET_MS;
  }

  #record({ queued, running, online }: Levels): void {
    const columns = this.#columns;
    const last = columns.submitted.length - 1;
    columns.queued[last] = queued;
    columns.running[last] = running;
    columns.online[last] = online;
    columns.p50[last] = this.#latency.quantile(0.5);
    columns.p95[last] = this.#latency.quantile(0.95);
    columns.p99[last] = this.#latency.quantile(0.99);
  }
}

/** The buckets of both; where they overlap, those of `later`. */
export function mergeHistories(earlier: History, later: History): History {
  const at = Math.round((later.from - earlier.from) / BUCKET_MS);
  if (at < 0 || at > earlier.submitted.length) return later;
  const merged = emptyHistory(earlier.from);
  for (const column of COLUMNS)
    merged[column] = [...earlier[column].slice(0, at), ...later[column]].slice(-KEPT_BUCKETS);
  merged.from = earlier.from + (at + later.submitted.length - merged.submitted.length) * BUCKET_MS;
  return merged;
}
