/** The rows of a log that grows at its top: bounded, and honest about what it left out. Pure. */
import type { PoolEvent } from '@rma/client';

/** `left`: so many events (undefined: not known) are not shown between its neighbours; they begin below `before`. */
export type LogRow =
  | { readonly event: PoolEvent; readonly seq: number }
  | { readonly left: number | undefined; readonly before: number; readonly seq: number };

/** More than this at once nobody reads. */
export const SHOWN_AT_ONCE = 60;
/** Rows that are kept; older ones are to be had from the past again. */
export const KEPT = 600;

/**
 * New events, the oldest first, on top of the rows.
 * @param skipped events that are not among these, since they came faster than they could be shown; undefined: so many
 * that the number is not known
 */
export function addOnTop(
  rows: readonly LogRow[],
  events: readonly PoolEvent[],
  skipped: number | undefined = 0,
): readonly LogRow[] {
  const newest = rows[0]?.seq ?? 0;
  const fresh = events.filter(({ seq }) => seq > newest);
  if (fresh.length === 0) return rows;
  const seen = fresh.slice(-SHOWN_AT_ONCE);
  const left = skipped === undefined ? undefined : fresh.length - seen.length + skipped;
  const first = seen[0]!.seq;
  const gap: LogRow[] = left !== 0 ? [{ left, before: first, seq: first - 0.5 }] : [];
  return [...seen.map((event) => ({ event, seq: event.seq })).reverse(), ...gap, ...rows].slice(0, KEPT);
}

/** A page of the past, the newest first, below the rows. */
export function addBelow(rows: readonly LogRow[], events: readonly PoolEvent[]): readonly LogRow[] {
  const oldest = rows.at(-1)?.seq ?? Number.POSITIVE_INFINITY;
  const older = events.filter(({ seq }) => seq < oldest);
  return [...rows, ...older.map((event) => ({ event, seq: event.seq }))];
}

export function eventsOf(rows: readonly LogRow[]): readonly PoolEvent[] {
  return rows.flatMap((row) => ('event' in row ? row.event : []));
}
