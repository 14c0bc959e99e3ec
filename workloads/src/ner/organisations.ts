/** Organisations: by what their names end or begin with, by our list, and, where neither speaks, as compromise reads them. */
import { type Candidate, onOneLine } from './entity.js';
import { type IsFirstName, namesByEnding } from './organisation-chain.js';
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

const OF_WHOM = BEGINNINGS_WITH_OF.join('|');
const BY_BEGINNING = new RegExp(
  `${WORD_START}(?:${CAPITALISED} )?(?:${OF_WHOM}) of (?:the )?${CAPITALISED}(?: of ${CAPITALISED})?(?: ${CAPITALISED}){0,2}`,
  'gu',
);
const SUBJECT = `${CAPITALISED}(?: ${CAPITALISED}){0,2}`;
/** Department for Environment, Food and Rural Affairs. What "and" adds is no other name: "and Marks and Spencer plc". */
const DEPARTMENT = new RegExp(
  `${WORD_START}(?:Department|Ministry|Office) (?:for|of) ${SUBJECT}(?:(?:, ${SUBJECT}){0,3} (?:and|&) ${SUBJECT}${WORD_END}(?! (?:and |& |Ltd|plc|LLP)))?`,
  'gu',
);
/** Candidates of this rank are known or bear a mark of organisations. */
export const KNOWN_RANK = 80;
const TITLE = /(?:^|\s)(?:Mr|Mrs|Ms|Miss|Dr|Prof|Sir|Dame|Lord|Lady|Cllr)\.?(?=\s|$)/;

/** Organisations in masked text. `read` are the spans that compromise takes for some. */
export function findOrganisations(text: string, read: readonly Span[], isFirstName: IsFirstName): Candidate[] {
  const byBeginning = [BY_BEGINNING, DEPARTMENT].flatMap((form) =>
    [...text.matchAll(form)].map((match) => ({
      start: match.index ?? 0,
      end: (match.index ?? 0) + match[0].length,
    })),
  );
  return [
    ...[...namesByEnding(text, isFirstName), ...byBeginning].flatMap((span) => byForm(text, span)),
    ...findListed(text, (name) => knownName(name) !== undefined)
      .filter((span) => !(AMBIGUOUS_KNOWN.has(text.slice(span.start, span.end)) && beginsSentence(text, span.start)))
      .map((span) => candidate(text, span, KNOWN_RANK)),
    ...read
      .map((span) => trimmed(text, span))
      .filter((span) => isPlausible(text, span))
      .map((span) => candidate(text, span, 40)),
  ];
}

function byForm(text: string, match: Span): Candidate[] {
  const span = withoutLeadingNoNames(text, match);
  if (!span) return [];
  const inner = text.slice(span.start, span.end);
  // "The Council" names none.
  if (ENDINGS.includes(inner) || BEGINNINGS_WITH_OF.includes(inner) || TITLE.test(inner)) return [];
  return [candidate(text, trimmed(text, span), KNOWN_RANK)];
}

/** The listed name; headings shout, and only there a name of several words may: HIGH COURT OF JUSTICE. */
function knownName(name: string): string | undefined {
  const known = KNOWN.get(name);
  if (known !== undefined || !/^[\p{Lu}' ]+ [\p{Lu}' ]+$/u.test(name)) return known;
  const quiet = name
    .toLowerCase()
    .replace(/(?<=^|\s)\p{L}/gu, (letter) => letter.toUpperCase())
    .replace(/ (?:Of|And|The|For) /g, (word) => word.toLowerCase());
  return KNOWN.get(quiet);
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
  return knownName(line) ?? line.replace(/ Limited$/, ' Ltd').replace(/ (?:PLC|Plc)$/, ' plc');
}
