/** The filter of the event log, as it is in the URL, and which events match it. Pure. */
import type { HistoryOptions, PoolEvent } from '@rma/client';
import { matchesEventTypes } from '@rma/protocol/event';
import { EVENT_GROUPS, type EventGroup, GROUP_TYPES, type Names, plainSentence } from '../events/sentence.js';

export interface EventFilter {
  readonly group: EventGroup | undefined;
  /** One type, or a prefix such as `worker.`; narrows the group. */
  readonly type: string;
  /** The id of a task, worker or token. */
  readonly subject: string;
  readonly text: string;
  /** now: live. before: older than a number, newest first. since: newer than a number, oldest first. */
  readonly from:
    | { readonly mode: 'now' }
    | { readonly mode: 'before'; readonly seq: number }
    | { readonly mode: 'since'; readonly seq: number };
}

export function readEventFilter(params: URLSearchParams): EventFilter {
  const group = params.get('group');
  const before = numberOf(params.get('before'));
  const since = numberOf(params.get('since'));
  return {
    group: EVENT_GROUPS.find((one) => one === group),
    type: params.get('type') ?? '',
    subject: (params.get('subject') ?? '').trim(),
    text: params.get('q') ?? '',
    from:
      before !== undefined
        ? // Numbers begin at 1; the coordinator rejects lower ones.
          { mode: 'before', seq: Math.max(1, before) }
        : since !== undefined
          ? { mode: 'since', seq: since }
          : { mode: 'now' },
  };
}

/** The number of an event ("12", "#12"), or undefined. */
export function numberOf(text: string | null): number | undefined {
  if (text === null || !/^\s*#?\d{1,15}\s*$/.test(text)) return undefined;
  return Number(text.replace('#', ''));
}

/** The part of the filter that the coordinator applies; text is matched in the page. */
export function historyOf({ group, type, subject }: EventFilter): Pick<HistoryOptions, 'types' | 'subject'> {
  const types = type !== '' ? [type] : group === undefined ? undefined : GROUP_TYPES[group];
  return { ...(types === undefined ? {} : { types }), ...(subject === '' ? {} : { subject }) };
}

/** Whether `history` would return the event. */
export function isOfFilter(event: PoolEvent, filter: EventFilter): boolean {
  const { types, subject } = historyOf(filter);
  return matchesEventTypes(event.type, types) && (subject === undefined || event.subject === subject);
}

/** Whether the sentence, the number, the type, the subject or anything in the data holds the text. */
export function holdsText(event: PoolEvent, text: string, names: Names): boolean {
  const wanted = text.trim().toLowerCase();
  if (wanted === '') return true;
  const { seq, type, subject = '', data = {} } = event;
  // The field names of the data are the protocol's: they would match in every event.
  const words = [plainSentence(event, names), `#${seq}`, type, subject, ...Object.values(data).flatMap(wordsIn)];
  return words.some((word) => word.toLowerCase().includes(wanted));
}

/** All texts in a value, with the keys of maps such as labels. */
function wordsIn(value: unknown): string[] {
  if (Array.isArray(value)) return value.flatMap(wordsIn);
  if (typeof value !== 'object' || value === null) return [String(value)];
  return Object.entries(value).flatMap(([name, item]) => [name, ...wordsIn(item)]);
}
