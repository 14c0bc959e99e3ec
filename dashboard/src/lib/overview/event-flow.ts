/**
 * Rate limit of the event stream, a token bucket: BURST rows at once, ROWS_A_SECOND after that. Above the rate only a
 * sample is shown, with the number of omitted events. Pure; time is an argument.
 */
import type { RecentEvent } from '@rma/client';

/** Capacity of the bucket, and its refill per second. */
const BURST = 8;
const ROWS_A_SECOND = 4;
const KEPT = 60;

export interface EventFlow {
  /** Newest first; `omitted` events before each are not shown. */
  readonly rows: readonly RecentEvent[];
  /** Not shown yet, newest first. */
  readonly waiting: readonly RecentEvent[];
  readonly isPaused: boolean;
  /** Tokens in the bucket at `creditAtMs`. */
  readonly credit: number;
  readonly creditAtMs: number;
}

export function newFlow(rows: readonly RecentEvent[] = [], nowMs = 0, isPaused = false): EventFlow {
  return { rows: rows.slice(0, KEPT), waiting: [], isPaused, credit: BURST, creditAtMs: nowMs };
}

/** @param fresh newest first */
export function arrive(flow: EventFlow, fresh: readonly RecentEvent[], nowMs: number): EventFlow {
  return show({ ...flow, waiting: thinned([...fresh, ...flow.waiting]) }, nowMs);
}

/** Shows as many waiting events as the rate allows. */
export function show(flow: EventFlow, nowMs: number): EventFlow {
  const earned = ((nowMs - flow.creditAtMs) / 1_000) * ROWS_A_SECOND;
  const credit = Math.min(BURST, flow.credit + Math.max(0, earned));
  const next = { ...flow, credit, creditAtMs: nowMs };
  const { waiting } = flow;
  if (flow.isPaused || waiting.length === 0) return next;
  // Above the rate, update once a second, so that the list can be read in between.
  if (waiting.length > credit && credit < ROWS_A_SECOND) return next;
  const rows = newest(waiting, Math.max(1, Math.floor(credit)));
  return { ...next, waiting: [], credit: credit - rows.length, rows: [...rows, ...flow.rows].slice(0, KEPT) };
}

/** ms until `show` should be called again; undefined: nothing waits. */
export function showDueMs({ waiting, isPaused, credit }: EventFlow): number | undefined {
  if (isPaused || waiting.length === 0) return undefined;
  return Math.max(0, ((ROWS_A_SECOND - credit) / ROWS_A_SECOND) * 1_000);
}

export function pause(flow: EventFlow, isPaused: boolean, nowMs: number): EventFlow {
  return show({ ...flow, isPaused }, nowMs);
}

/** Waiting events, including omitted ones. */
export function waitingCount({ waiting }: EventFlow): number {
  return countOf(waiting);
}

function countOf(events: readonly RecentEvent[]): number {
  return events.reduce((sum, { omitted }) => sum + 1 + omitted, 0);
}

/** A sample of `few` events, rare types first, then the newest. Omitted events are counted at the next newer one kept. */
function newest(events: readonly RecentEvent[], few: number): RecentEvent[] {
  if (events.length <= few) return [...events];
  const order = events
    .map((_, i) => i)
    .sort((a, b) => Number(isUsual(events[a]!)) - Number(isUsual(events[b]!)) || a - b);
  const chosen = new Set(order.slice(0, few));
  const kept: RecentEvent[] = [];
  for (let i = 0; i < events.length; i++) {
    const one = events[i]!;
    const last = kept.at(-1);
    if (chosen.has(i)) kept.push(one);
    else if (last) kept[kept.length - 1] = { event: last.event, omitted: last.omitted + 1 + one.omitted };
    else carry(kept, events, i, chosen);
  }
  return kept;
}

/** Keeps the newest event in any case, so that the head of the list is current. */
function carry(kept: RecentEvent[], events: readonly RecentEvent[], i: number, chosen: Set<number>): void {
  chosen.add(i);
  kept.push(events[i]!);
}

/** Bounds the waiting events by what can be shown. */
function thinned(waiting: readonly RecentEvent[]): RecentEvent[] {
  return waiting.length <= KEPT ? [...waiting] : newest(waiting, KEPT - 1);
}

function isUsual({ event: { type, data } }: RecentEvent): boolean {
  if (!type.startsWith('task.')) return type === 'service.pulling';
  return (
    type === 'task.submitted' || type === 'task.dispatched' || (type === 'task.ended' && data?.state === 'succeeded')
  );
}
