/** The rows of a log that grows at its top: bounded, with a row for each gap. Pure. */
import type { PoolEvent } from '@rma/client';

/** A gap row: `left` events (undefined: unknown) are not shown here; the newest of them is below `before`. */
export type LogRow =
  | { readonly event: PoolEvent; readonly seq: number }
  | { readonly left: number | undefined; readonly before: number; readonly seq: number };

/** Events added at once; of more, the newest are shown and the others become a gap. */
export const SHOWN_AT_ONCE = 60;
/** Maximum number of rows; older ones are loaded again on request. */
export const KEPT = 600;

/**
 * @param events oldest first
 * @param skipped how many events arrived and are not in `events`; undefined: unknown
 */
export function addOnTop(
  rows: readonly LogRow[],
  events: readonly PoolEvent[],
  skipped: number | undefined,
): readonly LogRow[] {
  const newest = rows[0]?.seq ?? 0;
  const fresh = events.filter(({ seq }) => seq > newest);
  if (fresh.length === 0) return rows;
  const newestFew = fresh.slice(-SHOWN_AT_ONCE);
  const first = newestFew[0]!.seq;
  // Event numbers have no gaps, so this bounds the skipped events that are not in the rows already.
  const most = rows.length === 0 ? Number.POSITIVE_INFINITY : newestFew.at(-1)!.seq - newest - newestFew.length;
  const left =
    skipped === undefined && most > 0 ? undefined : Math.min(most, fresh.length - newestFew.length + (skipped ?? 0));
  const gap: LogRow[] = left !== 0 ? [{ left, before: first, seq: first - 0.5 }] : [];
  const all = [...newestFew.map((event) => ({ event, seq: event.seq })).reverse(), ...gap, ...rows];
  const kept = all.slice(0, KEPT);
  // A gap row at the end is dropped: the next older page starts with its events.
  return kept.length < all.length && !('event' in kept[KEPT - 1]!) ? kept.slice(0, -1) : kept;
}

/** Appends a page of older events, newest first. */
export function addBelow(rows: readonly LogRow[], events: readonly PoolEvent[]): readonly LogRow[] {
  const oldest = rows.at(-1)?.seq ?? Number.POSITIVE_INFINITY;
  const older = events.filter(({ seq }) => seq < oldest);
  return [...rows, ...older.map((event) => ({ event, seq: event.seq }))];
}

export function eventsOf(rows: readonly LogRow[]): readonly PoolEvent[] {
  return rows.flatMap((row) => ('event' in row ? row.event : []));
}
