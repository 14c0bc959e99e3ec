/** What a value of the topic `recent` tells beyond the one before. Pure. */
import type { LiveRecent, PoolEvent } from '@rma/client';

export interface News {
  /** In order. */
  readonly events: readonly PoolEvent[];
  /** So many more fitted and were left out; undefined: some were, and how many is not known. */
  readonly omitted: number | undefined;
}

/** @param seen the newest number that was told already; undefined at the first value, which follows on nothing */
export function newsOf({ events }: LiveRecent, seen: number | undefined): News {
  const fresh = seen === undefined ? events : events.filter(({ event }) => event.seq > seen);
  // Where none is known any more, the connection was lost for longer than the topic looks back. (After 0 nothing is.)
  const isCut = seen !== undefined && seen > 0 && fresh.length > 0 && fresh.length === events.length;
  return {
    events: fresh.map(({ event }) => event).reverse(),
    omitted: isCut ? undefined : fresh.reduce((sum, { omitted }) => sum + omitted, 0),
  };
}
