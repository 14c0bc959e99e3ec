/**
 * A log of events under one filter: what comes is added at the top, the past
 * is fetched page by page. Made anew when the filter changes.
 */
import { ClosedError, type PoolEvent } from '@rma/client';
import type { News } from '$lib/pool/news.js';
import { pool } from '$lib/pool/pool.svelte.js';
import { type EventFilter, historyOf, isOfFilter } from './event-filter.js';
import { addBelow, addOnTop, type LogRow, SHOWN_AT_ONCE } from './log-rows.js';

const PAGE = 100;
/** Events kept while paused; of more, the number is known. */
const HELD = SHOWN_AT_ONCE;
/** Events looked through for one page of a rare kind, going forward. */
const LOOKED_THROUGH = 20_000;

export class EventLog {
  /** The newest first; with `since`, in their order. */
  rows = $state.raw<readonly LogRow[]>([]);
  /** There is nothing more at the end of the list. */
  isAll = $state(false);
  isBusy = $state(false);
  isLoaded = $state(false);
  error = $state.raw<Error>();
  /** Came while paused; more, after a connection that was lost for long. */
  held = $state(0);
  isPaused = $state(false);
  readonly filter: EventFilter;
  #at: number | undefined;
  #pending: PoolEvent[] = [];
  /** Undefined: not known. */
  #skipped: number | undefined = 0;
  #isFollowing = false;
  #isStopped = false;

  constructor(filter: EventFilter) {
    this.filter = filter;
    this.#at = filter.from.mode === 'now' ? undefined : filter.from.seq;
  }

  /** The next page: older ones, or with `since` newer ones. */
  async more(): Promise<void> {
    if (this.isBusy || this.#isStopped) return;
    this.isBusy = true;
    try {
      if (this.filter.from.mode === 'since') await this.#newer();
      else await this.#older();
      this.error = undefined;
    } catch (error) {
      if (!(error instanceof ClosedError)) this.error = error instanceof Error ? error : new Error(String(error));
    } finally {
      this.isBusy = false;
      this.isLoaded = true;
      this.#flush();
    }
  }

  /** What happened. At the first of it the log follows the pool: the newest page is asked for then, so that none is missed. */
  take({ events, omitted }: News): void {
    if (this.#isStopped) return;
    if (!this.#isFollowing) {
      this.#isFollowing = true;
      void this.more();
      return;
    }
    const newest = this.rows[0]?.seq ?? 0;
    const pending = [...this.#pending, ...events.filter(({ seq }) => seq > newest)];
    const over = Math.max(0, pending.length - HELD);
    this.#pending = pending.slice(over);
    this.#skipped = omitted === undefined || this.#skipped === undefined ? undefined : this.#skipped + omitted + over;
    this.#flush();
  }

  pause(): void {
    this.isPaused = true;
  }

  resume(): void {
    this.isPaused = false;
    this.#flush();
  }

  stop(): void {
    this.#isStopped = true;
  }

  #flush(): void {
    this.held = this.isPaused ? this.#pending.length + (this.#skipped ?? 0) : 0;
    // On top of the first page: what came while that was on its way may be in it.
    if (this.isPaused || !this.isLoaded) return;
    const before = this.rows;
    this.rows = addOnTop(before, this.#pending, this.#skipped);
    this.#pending = [];
    this.#skipped = 0;
    // The end of a full list fell out: the past goes on from there.
    const last = this.rows.at(-1);
    if (last && last !== before.at(-1) && before.length > 0) {
      this.#at = Math.ceil(last.seq);
      this.isAll = false;
    }
  }

  async #older(): Promise<void> {
    const page = await pool.client.history({
      ...historyOf(this.filter),
      limit: PAGE,
      ...(this.#at === undefined ? {} : { before: this.#at }),
    });
    this.rows = addBelow(this.rows, page.events);
    this.#at = page.before;
    this.isAll = page.before === undefined;
  }

  async #newer(): Promise<void> {
    const found: PoolEvent[] = [];
    let looked = 0;
    let isAll = true;
    for await (const event of pool.client.events({ since: this.#at ?? 0 })) {
      this.#at = event.seq;
      if (isOfFilter(event, this.filter)) found.push(event);
      looked += 1;
      if (found.length < PAGE && looked < LOOKED_THROUGH) continue;
      isAll = false;
      break;
    }
    this.rows = [...this.rows, ...found.map((event) => ({ event, seq: event.seq }))];
    this.isAll = isAll;
  }
}
