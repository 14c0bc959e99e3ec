/** The event log read backwards, for pages of history: a few rows at a time, until enough was found or time is up. */
import { matchesEventTypes } from '@rma/protocol/event';
import type { EventRecord } from '../core/effects.js';
import { type EventTask, unpackEvents } from './event-log.js';
import type { ReadRequest } from './reader.js';
import type { Database } from './sqlite.js';

/** Rows a statement: between two of them the clock is read, and no read transaction keeps the WAL from being reset. */
const ROWS = 200;

type Filter = Omit<Extract<ReadRequest, { what: 'history' }>, 'what'>;

/** @param untilMs deadline on `performance.now()`'s clock; past it the answer's `before` says where to continue */
export function readHistory(
  database: Database,
  filter: Filter,
  untilMs: number,
): { events: EventRecord[]; before?: number } {
  const { types, subject, owner, audit, limit } = filter;
  const rows = database.prepare('SELECT first, at, events FROM events WHERE first < ? ORDER BY first DESC LIMIT ?');
  const taskOf = database.prepare('SELECT id, owner, kind, priority FROM tasks WHERE seq = ?');
  // With a subject, only events of that task can match: other tasks' rows need no look-up.
  const wanted = subject === undefined ? undefined : seqOf(database, subject);
  const lookUp = (seq: number): EventTask | undefined =>
    audit || (subject !== undefined && seq !== wanted) ? undefined : (taskOf.get(seq) as EventTask | undefined);
  const fits = (event: EventRecord): boolean =>
    matchesEventTypes(event.type, types) &&
    (subject === undefined || event.subject === subject) &&
    (owner === undefined || event.owner === owner || event.task === 0) &&
    (!audit || event.data?.by !== undefined);
  const events: EventRecord[] = [];
  let before = filter.before ?? Number.MAX_SAFE_INTEGER;
  for (;;) {
    const part = rows.all(before, ROWS) as { first: number; at: number; events: Buffer }[];
    for (const row of part) {
      for (const event of unpackEvents(row, lookUp).reverse()) {
        if (event.seq >= before || !fits(event)) continue;
        events.push(event);
        if (events.length >= limit) return { events, before: event.seq };
      }
      before = row.first;
    }
    if (part.length < ROWS) return { events };
    if (performance.now() > untilMs) return { events, before };
  }
}

/** The number of a task; undefined for the id of anything else. */
function seqOf(database: Database, id: string): number | undefined {
  return database.prepare('SELECT seq FROM tasks WHERE id = ?').pluck().get(id) as number | undefined;
}
