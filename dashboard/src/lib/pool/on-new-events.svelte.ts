/** Subscribes a component to new events, for its lifetime; at most a few calls per second. */
import type { RecentFilter } from '@rma/client';
import { type NewEvents, newEventsIn } from './new-events.js';
import { pool } from './pool.svelte.js';

/**
 * Calls `take` with the newest matching events, then with each new batch, across reconnects. Bursts are sampled: `omitted`
 * counts the rest. Call it during component initialisation.
 */
export function onNewEvents(filter: RecentFilter, take: (batch: NewEvents) => void): void {
  $effect(() => {
    let seen: number | undefined;
    return pool.client.liveRecent(filter).subscribe((value) => {
      if (!value) return;
      const batch = newEventsIn(value, seen);
      const isFirst = seen === undefined;
      seen = Math.max(seen ?? 0, value.events[0]?.event.seq ?? 0);
      if (isFirst || batch.events.length > 0) take(batch);
    });
  });
}
