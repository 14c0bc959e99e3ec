/**
 * Names of organisations out of a run of capitalised words that are joined by "of", "for", "and" and the like: where one
 * name ends and the next begins. "University of Leeds" is one; "Jane Smith of Acme Ltd" is a person and an organisation.
 */
import { BEGINNINGS_WITH_OF, ENDINGS, INSTITUTIONS, KNOWN } from './organisation-names.js';
import { PLACES } from './place-names.js';
import { ADJECTIVES, CAPITALISED, NO_NAMES, type Span, WORD_END, WORD_START } from './words.js';

/** Whether a word is a first name. */
export type IsFirstName = (word: string) => boolean;

const alternatives = (words: readonly string[]): string =>
  [...words]
    .sort((a, b) => b.length - a.length)
    .map((word) => word.replaceAll('.', '\\.'))
    .join('|');

const CONNECTIVE = '(?: (?:&|and|(?:of|for|upon|on|in)(?: the)?))? ';
/** "Magistrates' Court": the apostrophe of a plural stays inside a name. */
const WORD = `${CAPITALISED}(?:(?<=s)'(?= \\p{Lu}))?`;
const FURTHER = `(?:${CONNECTIVE}${WORD}| plc${WORD_END}){1,12}(?: (?:S\\.A\\.|B\\.V\\.))?`;
const CHAIN = new RegExp(`${WORD_START}${WORD}${FURTHER}`, 'gu');
const ENDING = new RegExp(`(?<= )(?:${alternatives(ENDINGS)})${WORD_END}`, 'gu');
const INNER_CONNECTIVE = / (&|and|of|for|upon|on|in)(?: the)? /g;
/** Behind these, "and" opens another name. */
const LEGAL_FORM = /^(?:Ltd|Limited|plc|PLC|Plc|LLP|LLC|Inc|GmbH)$/;
const LEGAL_END = /(?:^| )(?:Ltd|Limited|plc|PLC|Plc|LLP|LLC|Inc|GmbH)$/;
const PUBLIC_BODY = /^(?:Department|Ministry|Office) (?:for|of) /;
const FAMILY = /^(?:Sons?|Daughters?|Brothers|Bros|Co|Company|Partners|Associates)(?![\p{L}\d])/u;
const TITLE = /(?:^|\s)(?:Mr|Mrs|Ms|Miss|Dr|Prof|Professor|Sir|Dame|Lord|Lady|Cllr|Councillor)\.?(?=\s|$)/;
const ENDING_WORDS = new Set(ENDINGS);
const BEGINNING_WITH_PLACE = new RegExp(`(?:^| )(?:${alternatives(BEGINNINGS_WITH_OF)}) of (?:the )?$`);

/** Every name that ends in a word of organisations; what belongs to another name is cut off in front and behind. */
export function namesByEnding(text: string, isFirstName: IsFirstName): Span[] {
  return [...text.matchAll(CHAIN)].flatMap((match) => {
    const offset = match.index ?? 0;
    return segments(match[0]).map((segment) => {
      const inner = match[0].slice(segment.start, segment.end);
      return { start: offset + segment.start + nameStart(inner, isFirstName), end: offset + segment.end };
    });
  });
}

/** Pieces of a chain that each end in an ending: at the last one, and wherever "and" leads on to another name. */
function segments(chain: string): Span[] {
  const endings = [...chain.matchAll(ENDING)].map((match) => ({
    word: match[0],
    end: (match.index ?? 0) + match[0].length,
  }));
  const found: Span[] = [];
  let start = 0;
  endings.forEach(({ word, end }, at) => {
    const next = endings[at + 1];
    const rest = chain.slice(end);
    const and = / and /y.exec(rest)?.[0];
    const leadsOn = and !== undefined && !FAMILY.test(rest.slice(and.length));
    const legal = LEGAL_FORM.test(word) && !(next && /^[^ ]*$/.test(chain.slice(end + 1, next.end)));
    if (next && !leadsOn && !legal) return;
    if (end > start + word.length) found.push({ start, end });
    start = end + (/^ (?:(?:&|and|of|for|upon|on|in|the) )*/.exec(rest)?.[0].length ?? 0);
  });
  return found;
}

/** Where the organisation's own name starts: behind the last connective whose left side is another's name. */
function nameStart(name: string, isFirstName: IsFirstName): number {
  let start = 0;
  for (const match of name.matchAll(INNER_CONNECTIVE)) {
    const at = match.index ?? 0;
    const end = at + match[0].length;
    const left = name.slice(start, at);
    const joins =
      match[1] === '&' ||
      (match[1] === 'and'
        ? joinsByAnd(left, name.slice(end), isFirstName)
        : joinsByPreposition(left, start === 0, isFirstName));
    if (!joins) start = end;
  }
  return start;
}

/** Smith and Sons Ltd; Harbour and Finch LLP; but Jane Smith and Acme Ltd, Google and Microsoft Corporation. */
function joinsByAnd(left: string, right: string, isFirstName: IsFirstName): boolean {
  if (TITLE.test(left) || KNOWN.has(left)) return false;
  if (FAMILY.test(right)) return true;
  if (PUBLIC_BODY.test(left) && LEGAL_END.test(right)) return false;
  const last = lastPart(left);
  const words = last.split(' ').filter((word) => !NO_NAMES.has(word));
  if (PLACES.has(last) && BEGINNING_WITH_PLACE.test(left.slice(0, left.length - last.length))) return false;
  return words.length < 2 || !isFirstName(words[0] ?? '');
}

/** Bank of Scotland plc, Isle of Wight Council, Centre for Ageing Trust; but Jane Smith of Acme Ltd, Customers of Acme Ltd. */
function joinsByPreposition(left: string, isFirst: boolean, isFirstName: IsFirstName): boolean {
  if (TITLE.test(left)) return false;
  const words = lastPart(left).split(' ');
  if (words.some((word) => INSTITUTIONS.has(word) || ENDING_WORDS.has(word))) return true;
  if (words.length > 1) return words.every((word) => ADJECTIVES.has(word) || /^(?:North|South|East|West)$/.test(word));
  const word = words[0] ?? '';
  return !isFirst || PLACES.has(word) || !(isFirstName(word) || NO_NAMES.has(word) || word.endsWith('s'));
}

/** The capitalised words behind the last connective. */
function lastPart(name: string): string {
  return name.split(/ (?:&|and|of|for|upon|on|in)(?: the)? /).at(-1) ?? '';
}
