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
  skipped: number | undefined,
): readonly LogRow[] {
  const newest = rows[0]?.seq ?? 0;
  const fresh = events.filter(({ seq }) => seq > newest);
  if (fresh.length === 0) return rows;
  const seen = fresh.slice(-SHOWN_AT_ONCE);
  const first = seen[0]!.seq;
  // Events are numbered without a gap: some of those that were skipped may be in the rows already.
  const most = rows.length === 0 ? Number.POSITIVE_INFINITY : seen.at(-1)!.seq - newest - seen.length;
  const left =
    skipped === undefined && most > 0 ? undefined : Math.min(most, fresh.length - seen.length + (skipped ?? 0));
  const gap: LogRow[] = left !== 0 ? [{ left, before: first, seq: first - 0.5 }] : [];
  const all = [...seen.map((event) => ({ event, seq: event.seq })).reverse(), ...gap, ...rows];
  const kept = all.slice(0, KEPT);
  // Below a gap at the end of those the past goes on, with the very events that it tells of.
  return kept.length < all.length && !('event' in kept[KEPT - 1]!) ? kept.slice(0, -1) : kept;
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
