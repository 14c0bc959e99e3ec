/** Places: our list of the United Kingdom and of what letters name beyond, streets, and what else compromise reads as one. */
import { type Candidate, onOneLine } from './entity.js';
import { AMBIGUOUS_PLACES, CANONICAL_PLACES, PLACES } from './place-names.js';
import {
  CAPITALISED,
  findListed,
  NO_NAMES,
  type Span,
  trimmed,
  WORD_END,
  WORD_START,
  withoutLeadingNoNames,
} from './words.js';

/** These end streets' names and hardly anything else; the others need a house number in front. */
const STREET = new RegExp(
  `${WORD_START}(?:${CAPITALISED} ){1,3}(?:Street|Road|Avenue|Drive|Crescent|Square|Terrace|Mews)${WORD_END}`,
  'gu',
);
const NUMBERED = new RegExp(
  `(?<=\\d{1,4}[a-zA-Z]?,? )(?:${CAPITALISED} ){1,3}(?:St|Rd|Ave|Lane|Close|Gardens|Grove|Place|Hill|Row|Way|Walk|Parade|Quay|Wharf|Embankment|Mount|Rise|Green|Court|Park|View|Drive|Road|Street)${WORD_END}`,
  'gu',
);
/** The last name before a postcode: "Bridge Street, Kingsbridge TQ7 1DE". */
const POST_TOWN = new RegExp(
  `(?<=, ?|\\n *)${CAPITALISED}(?: (?:(?:upon|on|under|le|St) )?${CAPITALISED}){0,2}${WORD_END}(?=,? ?\\n? *[A-Z]{1,2}\\d[A-Z\\d]? ?\\d[A-Z]{2}\\b)`,
  'gu',
);
const BUILDING =
  /(?:House|Court|Building|Buildings|Flat|Floor|Park|Estate|Centre|Mill|Wharf|Works|Lodge|Farm|Cottage|Street|Road|Lane|Avenue|Drive|Close|Way|Place|Gardens|Square|Terrace)$/;
const PREPOSITION =
  /\b(?:in|at|to|from|near|of|for|around|outside|towards|via|between|and|through|into|visit|visits|visited|visiting|leave|left|leaving|reach|reached)\s+(?:the\s+)?$/i;
const IN_ADDRESS_BEFORE = /(?:^|\n)[^\S\n]*$|,\s*$/;
const IN_ADDRESS_AFTER = /^(?:,?\s*[A-Z]{1,2}\d[A-Z\d]?\s*\d[A-Z]{2}\b|\s*\n|,\s*\p{Lu}|\s*$)/u;

/** Places in masked text. `read` are the spans that compromise takes for some. */
export function findPlaces(text: string, read: readonly Span[]): Candidate[] {
  const streets = [STREET, NUMBERED].flatMap((form) =>
    [...text.matchAll(form)].flatMap((match) => {
      const start = match.index ?? 0;
      const span = withoutLeadingNoNames(text, { start, end: start + match[0].length });
      return span && /\s/.test(text.slice(span.start, span.end)) ? [candidate(text, span, 82)] : [];
    }),
  );
  const listed = findListed(text, (name) => listedName(name) !== undefined)
    .filter(
      (span) => !AMBIGUOUS_PLACES.has(listedName(text.slice(span.start, span.end)) ?? '') || standsAsPlace(text, span),
    )
    .map((span) => candidate(text, span, 50));
  const postTowns = [...text.matchAll(POST_TOWN)].flatMap((match) => {
    const start = match.index ?? 0;
    const isBuilding = BUILDING.test(match[0]) || match[0].split(' ').some((word) => NO_NAMES.has(word));
    return isBuilding ? [] : [candidate(text, { start, end: start + match[0].length }, 45)];
  });
  const others = read
    .map((span) => trimmed(text, span))
    .filter((span) => isPlausible(text, span))
    .map((span) => candidate(text, span, 40));
  return [...streets, ...listed, ...postTowns, ...others];
}

/** Headings and addresses shout: BRISTOL. */
function listedName(name: string): string | undefined {
  if (PLACES.has(name) || AMBIGUOUS_PLACES.has(name)) return name;
  if (name.length < 4 || name !== name.toUpperCase()) return undefined;
  const quiet = name.toLowerCase().replace(/(?<=^|\s)\p{L}/gu, (letter) => letter.toUpperCase());
  return PLACES.has(quiet) ? quiet : undefined;
}

function standsAsPlace(text: string, span: Span): boolean {
  const before = text.slice(Math.max(0, span.start - 24), span.start);
  const after = text.slice(span.end, span.end + 12);
  return PREPOSITION.test(before) || (IN_ADDRESS_BEFORE.test(before) && IN_ADDRESS_AFTER.test(after));
}

function isPlausible(text: string, span: Span): boolean {
  const name = text.slice(span.start, span.end);
  const words = name.split(/\s+/);
  if (AMBIGUOUS_PLACES.has(name) || name.length < 3) return false;
  return (
    words.every((word) => /^(?:\p{Lu}|of$|the$|upon$|on$|and$)/u.test(word)) &&
    !words.some((word) => NO_NAMES.has(word))
  );
}

function candidate(text: string, span: Span, rank: number): Candidate {
  const line = onOneLine(text.slice(span.start, span.end));
  const name = listedName(line) ?? line;
  return { type: 'place', start: span.start, end: span.end, normal: CANONICAL_PLACES[name] ?? name, rank };
}
