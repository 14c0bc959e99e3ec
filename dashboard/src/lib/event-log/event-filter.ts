/** Which events the page shows, as its address says it, and which fit. Pure. */
import type { HistoryOptions, PoolEvent } from '@rma/client';
import { matchesEventTypes } from '@rma/protocol/event';
import { EVENT_GROUPS, type EventGroup, GROUP_TYPES, type Names, plainSentence } from '../events/sentence.js';

export interface EventFilter {
  readonly group: EventGroup | undefined;
  /** One type, or the beginning of types such as `worker.`; narrows the group. */
  readonly type: string;
  /** The id of a task, worker or token. */
  readonly subject: string;
  readonly text: string;
  /** now: live. before: the past below a number. since: what came after a number, in its order. */
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
        ? // Below the first there is nothing, and the coordinator refuses to look there.
          { mode: 'before', seq: Math.max(1, before) }
        : since !== undefined
          ? { mode: 'since', seq: since }
          : { mode: 'now' },
  };
}

/** Undefined for what is no number of an event. */
export function numberOf(text: string | null): number | undefined {
  if (text === null || !/^\s*#?\d{1,15}\s*$/.test(text)) return undefined;
  return Number(text.replace('#', ''));
}

/** What the coordinator looks for; text is looked for here. */
export function historyOf({ group, type, subject }: EventFilter): Pick<HistoryOptions, 'types' | 'subject'> {
  const types = type !== '' ? [type] : group === undefined ? undefined : GROUP_TYPES[group];
  return { ...(types === undefined ? {} : { types }), ...(subject === '' ? {} : { subject }) };
}

/** As `history` would choose. */
export function isOfFilter(event: PoolEvent, filter: EventFilter): boolean {
  const { types, subject } = historyOf(filter);
  return matchesEventTypes(event.type, types) && (subject === undefined || event.subject === subject);
}

/** Whether the sentence, the number, the type, the subject or anything in the data holds the text. */
export function holdsText(event: PoolEvent, text: string, names: Names): boolean {
  const wanted = text.trim().toLowerCase();
  if (wanted === '') return true;
  const { seq, type, subject = '', data = {} } = event;
  // The names of the data's fields are the protocol's: they would fit in every event.
  const words = [plainSentence(event, names), `#${seq}`, type, subject, ...Object.values(data).flatMap(wordsIn)];
  return words.some((word) => word.toLowerCase().includes(wanted));
}

/** With the names in it, such as those of labels. */
function wordsIn(value: unknown): string[] {
  if (Array.isArray(value)) return value.flatMap(wordsIn);
  if (typeof value !== 'object' || value === null) return [String(value)];
  return Object.entries(value).flatMap(([name, inner]) => [name, ...wordsIn(inner)]);
}
