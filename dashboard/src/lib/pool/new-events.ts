/** The events that are new in a value of the topic `recent`. Pure. */
import type { LiveRecent, PoolEvent } from '@rma/client';

export interface NewEvents {
  /** Oldest first. */
  readonly events: readonly PoolEvent[];
  /** How many more matched and were omitted; undefined: some, the number is unknown. */
  readonly omitted: number | undefined;
}

/** @param seen the highest number handled before; undefined for the first value */
export function newEventsIn({ events }: LiveRecent, seen: number | undefined): NewEvents {
  const fresh = seen === undefined ? events : events.filter(({ event }) => event.seq > seen);
  // No overlap: the disconnect was longer than the window of the topic. (seen = 0 has no overlap by nature.)
  const isCut = seen !== undefined && seen > 0 && fresh.length > 0 && fresh.length === events.length;
  return {
    events: fresh.map(({ event }) => event).reverse(),
    omitted: isCut ? undefined : fresh.reduce((sum, { omitted }) => sum + omitted, 0),
  };
}
