/** Organisations: by what their names end or begin with, by our list, and, where neither speaks, as compromise reads them. */
import { type Candidate, onOneLine } from './entity.js';
import { AMBIGUOUS_KNOWN, BEGINNINGS_WITH_OF, ENDINGS, KNOWN } from './organisation-names.js';
import {
  beginsSentence,
  CAPITALISED,
  findListed,
  NO_NAMES,
  type Span,
  trimmed,
  WORD_END,
  WORD_START,
  withoutLeadingNoNames,
} from './words.js';

const escaped = (word: string): string => word.replaceAll('.', '\\.');
const alternatives = (words: readonly string[]): string =>
  [...words]
    .sort((a, b) => b.length - a.length)
    .map(escaped)
    .join('|');

/** "and" joins two names only at the front (Harbour and Finch LLP); later it is more often a list. */
const BY_ENDING = new RegExp(
  `${WORD_START}${CAPITALISED}(?: and ${CAPITALISED})?(?: (?:& |of the |of |for |upon |on |in )?${CAPITALISED}){0,7} (?:${alternatives(ENDINGS)})${WORD_END}`,
  'gu',
);
const BY_BEGINNING = new RegExp(
  `${WORD_START}(?:${CAPITALISED} )?(?:${alternatives(BEGINNINGS_WITH_OF)}) of (?:the )?${CAPITALISED}(?: of ${CAPITALISED})?(?: ${CAPITALISED}){0,2}`,
  'gu',
);
const DEPARTMENT = new RegExp(
  `${WORD_START}(?:Department|Ministry|Office) (?:for|of) ${CAPITALISED}(?:,? (?:and |& )?${CAPITALISED}){0,5}`,
  'gu',
);
const TITLE = /(?:^|\s)(?:Mr|Mrs|Ms|Miss|Dr|Prof|Sir|Dame|Lord|Lady|Cllr)\.?(?=\s|$)/;

/** Organisations in masked text. `read` are the spans that compromise takes for some. */
export function findOrganisations(text: string, read: readonly Span[]): Candidate[] {
  return [
    ...[BY_ENDING, BY_BEGINNING, DEPARTMENT].flatMap((form) =>
      [...text.matchAll(form)].flatMap((match) => byForm(text, match)),
    ),
    ...findListed(text, (name) => KNOWN.has(name))
      .filter((span) => !(AMBIGUOUS_KNOWN.has(text.slice(span.start, span.end)) && beginsSentence(text, span.start)))
      .map((span) => candidate(text, span, 70)),
    ...read
      .map((span) => trimmed(text, span))
      .filter((span) => isPlausible(text, span))
      .map((span) => candidate(text, span, 40)),
  ];
}

function byForm(text: string, match: RegExpMatchArray): Candidate[] {
  const start = match.index ?? 0;
  const span = withoutLeadingNoNames(text, { start: start + knownAndLength(match[0]), end: start + match[0].length });
  if (!span) return [];
  const inner = text.slice(span.start, span.end);
  // "The Council" names none, and "Mrs Whitfield of Harbour Ltd" is two names.
  if (ENDINGS.includes(inner) || BEGINNINGS_WITH_OF.includes(inner) || TITLE.test(inner)) return [];
  return [candidate(text, trimmed(text, span), 80)];
}

/** "Google and Microsoft Corporation" are two: how much of it the first takes. */
function knownAndLength(name: string): number {
  const at = name.indexOf(' and ');
  return at > 0 && KNOWN.has(name.slice(0, at)) ? at + ' and '.length : 0;
}

function isPlausible(text: string, span: Span): boolean {
  const words = text.slice(span.start, span.end).split(/\s+/);
  return (
    words.every((word) => /^(?:\p{Lu}|&$|of$|the$|and$|for$)/u.test(word)) && !words.every((word) => NO_NAMES.has(word))
  );
}

function candidate(text: string, span: Span, rank: number): Candidate {
  return { type: 'organisation', ...span, normal: canonical(text.slice(span.start, span.end)), rank };
}

/** One form for each: the listed name, `Ltd` and `plc` for their longer and louder spellings. */
function canonical(name: string): string {
  const line = onOneLine(name);
  return KNOWN.get(line) ?? line.replace(/ Limited$/, ' Ltd').replace(/ (?:PLC|Plc)$/, ' plc');
}
