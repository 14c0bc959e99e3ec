/** What happens in the pool, told to a component for as long as it lives, a few times a second however much it is. */
import type { RecentFilter } from '@rma/client';
import { type News, newsOf } from './news.js';
import { pool } from './pool.svelte.js';

/**
 * Calls `take` with the newest events that fit, at once and then with each that comes, across reconnects; of very many
 * with a few of them. Call it while a component is set up.
 */
export function onNews(filter: RecentFilter, take: (news: News) => void): void {
  $effect(() => {
    let seen: number | undefined;
    return pool.client.liveRecent(filter).subscribe((value) => {
      if (!value) return;
      const news = newsOf(value, seen);
      const isFirst = seen === undefined;
      seen = Math.max(seen ?? 0, value.events[0]?.event.seq ?? 0);
      if (isFirst || news.events.length > 0) take(news);
    });
  });
}
