/**
 * An event log under one filter: new events are added at the top, older ones are fetched page by page. A new filter
 * needs a new instance.
 */
import { ClosedError, type PoolEvent } from '@rma/client';
import type { NewEvents } from '$lib/pool/new-events.js';
import { pool } from '$lib/pool/pool.svelte.js';
import { type EventFilter, historyOf, isOfFilter } from './event-filter.js';
import { addBelow, addOnTop, type LogRow, SHOWN_AT_ONCE } from './log-rows.js';

const PAGE = 100;
/** Events held while paused; more are only counted. */
const HELD = SHOWN_AT_ONCE;
/** Events read at most for one page of matches, going forward. */
const MAX_READ = 20_000;

export class EventLog {
  /** Newest first; with `since`, oldest first. */
  rows = $state.raw<readonly LogRow[]>([]);
  /** The end of the list is the end of the log. */
  isAll = $state(false);
  isBusy = $state(false);
  isLoaded = $state(false);
  error = $state.raw<Error>();
  /** Events that arrived while paused; a lower bound after a long disconnect. */
  held = $state(0);
  isPaused = $state(false);
  readonly filter: EventFilter;
  #at: number | undefined;
  #pending: PoolEvent[] = [];
  /** Events that arrived and were not kept; undefined: some, the number is unknown. */
  #skipped: number | undefined = 0;
  #isFollowing = false;
  #isStopped = false;

  constructor(filter: EventFilter) {
    this.filter = filter;
    this.#at = filter.from.mode === 'now' ? undefined : filter.from.seq;
  }

  /** Loads the next page: older events, or with `since` newer ones. */
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

  /**
   * Takes new events. The first call only loads the newest page: the subscription is active by then, so none is missed.
   */
  take({ events, omitted }: NewEvents): void {
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
    // Wait for the first page: events that arrived meanwhile may be in it.
    if (this.isPaused || !this.isLoaded) return;
    const before = this.rows;
    this.rows = addOnTop(before, this.#pending, this.#skipped);
    this.#pending = [];
    this.#skipped = 0;
    // The list was cut at its end: the next older page starts there.
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
    let read = 0;
    let isAll = true;
    for await (const event of pool.client.events({ since: this.#at ?? 0 })) {
      this.#at = event.seq;
      if (isOfFilter(event, this.filter)) found.push(event);
      read += 1;
      if (found.length < PAGE && read < MAX_READ) continue;
      isAll = false;
      break;
    }
    this.rows = [...this.rows, ...found.map((event) => ({ event, seq: event.seq }))];
    this.isAll = isAll;
  }
}
