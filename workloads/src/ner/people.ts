/** People: by a title, by what stands around a name in letters and reports, and as compromise reads them. */
import { type Candidate, onOneLine } from './entity.js';
import { FIRST_NAMES } from './first-names.js';
import { ENDINGS, INSTITUTIONS, KNOWN } from './organisation-names.js';
import { KNOWN_RANK } from './organisations.js';
import { PLACES } from './place-names.js';
import {
  ADJECTIVES,
  beginsSentence,
  CAPITALISED,
  findListed,
  NO_NAMES,
  type Span,
  trimmed,
  WORD_START,
} from './words.js';

const TITLES =
  'Mr|Mrs|Ms|Miss|Mx|Messrs|Dr|Prof|Professor|Sir|Dame|Lord|Lady|Baroness|Baron|Rev|Revd|Reverend|Fr|Cllr|Councillor|Judge|Justice|Capt|Captain|Major|Colonel|Col|Lt|Sgt|Sergeant|Inspector|PC|DC|Hon|Bishop|Nurse|Sister';
/** Titles that are kept with a lone surname, as it identifies more: "Mr Whitfield". */
const LEADING_TITLE = new RegExp(`^(?:(?:${TITLES})\\.?\\s+)+`);
const INITIALS = '(?:\\p{Lu}(?:\\. ?| (?=\\p{Lu}))){0,4}';
const PARTICLE = '(?:van der |van den |van |von |de la |de |del |della |di |da |dos |el |al-|bin |ibn |ap |ab )?';
const NAME = `${PARTICLE}${CAPITALISED}`;
/** A first name, then initials or further names: at least two parts. */
const FULL_NAME = `${CAPITALISED}(?: \\p{Lu}\\.?(?= )){0,2}(?: ${NAME}){1,3}`;

const TITLED = new RegExp(`${WORD_START}(?:(?:${TITLES})\\.? )+${INITIALS}${NAME}(?: ${NAME}){0,3}`, 'gu');
const SPEAKERS =
  'said|says|told|wrote|writes|asked|added|explained|argued|claimed|replied|confirmed|announced|agreed|signed|joined|lives|lived|works|worked|met|paid|bought|sold|owns|moved|died|was born|resigned|visited|thanked|emailed|phoned|called|who';
const SPEAKING = new RegExp(`${WORD_START}(${FULL_NAME})(?:,? aged? \\d+)?,? (?:${SPEAKERS})\\b`, 'gu');
const ADDRESSED = new RegExp(
  `(?:[Dd]ear|[Ss]incerely,|[Ff]aithfully,|[Rr]egards,|[Ww]ishes,|[Ss]igned:?|[Ss]igned by|[Ww]ritten by|[Aa]uthor:|[Nn]ame:|[Ff]rom:|[Aa]ttention:|[Aa]ttn:|[Cc]ontact:|[Pp]atient:|[Cc]lient:|[Tt]enant:|[Ll]andlord:|[Cc]ustomer:|[Mm]y name is|I am|solicitor,|director,|secretary,|chair,|chairman,|chairwoman,|headteacher,|manager,|colleague,?|wife,|husband,|son,|daughter,|brother,|sister,|neighbour,?)\\s+(${FULL_NAME})`,
  'gu',
);
const DEAR_FIRST_NAME = new RegExp(`\\b[Dd]ear (${CAPITALISED})(?=,|\\s*\\n)`, 'gu');
const APPOSITION = new RegExp(
  `${WORD_START}(${FULL_NAME}), (?:the |a |an |our |its |their )?(?:\\p{L}+ ){0,3}(?:director|chair|chairman|chairwoman|chief executive|executive|manager|secretary|partner|solicitor|surveyor|engineer|teacher|headteacher|doctor|nurse|spokesman|spokeswoman|minister|leader|founder|owner|author|professor|researcher|scientist|editor|treasurer|trustee|accountant|architect)\\b`,
  'gu',
);
const AFFILIATED = new RegExp(`${WORD_START}(${FULL_NAME}),? (?:of|at|from)(?: the)? $`, 'u');
/** What people are or hold in organisations, and what comes from them. */
const FUNCTIONS = new Set(
  'Acting Annual Article Articles Associate Board Branch Chief Deputy Employee Employees Executive Finance Financial Founder General Governor Head Headquarters Joint Junior Lead Legal Letter Managing Marketing Meeting Memorandum New News Notice Office Officer Operating Operations Owner Part Quotation Records Representative Sales Senior Services Staff State Team Technical Terms Trustee Vice Visiting Witness'.split(
    ' ',
  ),
);
const NOBODY = new Set(
  'Sir Madam All Customer Customers Colleague Colleagues Resident Residents Neighbour Team Member Members Parent Parents Applicant Sirs Everyone Tenant Friend Friends'.split(
    ' ',
  ),
);
/** First names that are words as well: alone they count only inside a sentence. */
const WORD_NAMES = new Set(
  'Will May Mark Grace Rose Bill Rob Art April June August Hope Joy Faith Dawn Jack Frank Pat Ray Sue Guy Miles Chase Grant Drew Rich Summer Autumn Ivy Holly Amber Ruby Pearl Iris Violet Daisy Penny Sky'.split(
    ' ',
  ),
);

const SURNAME = new RegExp(`(?: \\p{Lu}\\.?(?= ))?(?: ${NAME}){1,2}`, 'uy');
const NAME_PART = /^\p{Lu}|^(?:van|von|der|den|de|la|di|da|del|al|el|bin|ibn)$/u;
const ENDS_IN_NAME = new RegExp(`(?:${CAPITALISED} |[\\p{L}\\d-])$`, 'u');

/** People in masked text. `read` are the spans that compromise takes for some; organisations tell of people beside them. */
export function findPeople(text: string, read: readonly Span[], organisations: readonly Candidate[]): Candidate[] {
  return [
    ...[...text.matchAll(TITLED)]
      .map((match) => ({ start: match.index ?? 0, end: (match.index ?? 0) + match[0].length }))
      .flatMap((span) => named(text, span, 85)),
    ...[SPEAKING, ADDRESSED, APPOSITION].flatMap((form) =>
      [...text.matchAll(form)].flatMap((match) => named(text, groupSpan(match), 55)),
    ),
    ...[...text.matchAll(DEAR_FIRST_NAME)]
      .filter((match) => !NOBODY.has(match[1] ?? ''))
      .flatMap((match) => named(text, groupSpan(match), 55)),
    ...organisations
      .filter((organisation) => organisation.rank >= KNOWN_RANK)
      .flatMap((organisation) => affiliated(text, organisation.start)),
    ...findListed(text, (name) => FIRST_NAMES.has(name)).flatMap((span) => named(text, withSurname(text, span), 60)),
    ...read.filter((span) => isPlausible(text, span)).flatMap((span) => named(text, withSurname(text, span), 60)),
  ];
}

/** "Desta Hailu of Acme Ltd": two names or three that are no function and no institution. */
function affiliated(text: string, organisationStart: number): Candidate[] {
  const from = Math.max(0, organisationStart - 80);
  const match = AFFILIATED.exec(text.slice(from, organisationStart));
  const name = match?.[1];
  if (!match || name === undefined || name.split(' ').some((word) => FUNCTIONS.has(word) || INSTITUTIONS.has(word)))
    return [];
  const start = from + match.index;
  return named(text, { start, end: start + name.length }, 55);
}

function groupSpan(match: RegExpMatchArray): Span {
  const start = (match.index ?? 0) + match[0].lastIndexOf(match[1] ?? '');
  return { start, end: start + (match[1] ?? '').length };
}

/** Rose Cottage. Endings that are surnames as well (House, Hill) are not among these. */
const BUILDING = / (?:Cottage|Cottages|Farm|Farmhouse|Lodge|Buildings?|Mansions|Barn|Villas?)$/;

/** A person, cut before the first word that ends a name: a place in an address line, an organisation's ending, a month. */
function named(text: string, wide: Span, rank: number): Candidate[] {
  let { start, end } = trimmed(text, wide);
  const title = LEADING_TITLE.exec(text.slice(start, end))?.[0] ?? '';
  const words = [...text.slice(start + title.length, end).matchAll(/\S+/g)];
  const stop = words.findIndex((word, index) => {
    const plain = word[0].replace(/'s$|[.,]$/g, '');
    return NO_NAMES.has(plain) || ADJECTIVES.has(plain) || ENDINGS.includes(plain) || (index > 1 && PLACES.has(plain));
  });
  if (stop === 0) {
    // "Yesterday Kwame Mensah said": the name starts later.
    const next = words[1];
    return title === '' && next ? named(text, { start: start + title.length + (next.index ?? 0), end }, rank) : [];
  }
  if (stop > 0) {
    const last = words[stop - 1];
    end = start + title.length + (last?.index ?? 0) + (last?.[0].length ?? 0);
  }
  ({ start, end } = trimmed(text, { start, end }));
  const whole = onOneLine(text.slice(start, end));
  const name = whole.replace(LEADING_TITLE, '');
  if (name === '' || KNOWN.has(whole) || PLACES.has(whole)) return [];
  if (title === '' && (/^[\p{Lu}\d&]+$/u.test(name) || BUILDING.test(name))) return [];
  return [{ type: 'person', start, end, normal: name.includes(' ') ? name : whole, rank }];
}

/** A lone first name together with what follows it as a surname. */
function withSurname(text: string, span: Span): Span {
  if (/\s/.test(text.slice(span.start, span.end))) return span;
  SURNAME.lastIndex = span.end;
  return { start: span.start, end: span.end + (SURNAME.exec(text)?.[0].length ?? 0) };
}

/** What compromise takes for a person: two capitalised words, or a first name that is no word inside a sentence. */
function isPlausible(text: string, span: Span): boolean {
  const name = text.slice(span.start, span.end);
  const words = name.split(/\s+/);
  if (!words.every((word) => NAME_PART.test(word))) return false;
  if (words.length > 1) return !PLACES.has(name) && !words.some((word) => ENDINGS.includes(word));
  if (PLACES.has(name) || NO_NAMES.has(name) || ADJECTIVES.has(name) || name.length < 3) return false;
  // Part of a longer name or word: compromise takes "Trent" out of Stoke-on-Trent.
  const before = text.slice(Math.max(0, span.start - 24), span.start);
  if (ENDS_IN_NAME.test(before) || /^['-]?[\p{L}\d]/u.test(text.slice(span.end, span.end + 2).replace(/^'s/, '')))
    return false;
  return !(WORD_NAMES.has(name) && beginsSentence(text, span.start));
}
