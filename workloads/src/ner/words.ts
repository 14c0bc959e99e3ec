/** Words with a capital as the finders of names cut them out of a text, and the words that are no names although they carry one. */

/** A capitalised word: O'Connor, Al-Farsi, Stoke-on-Trent, NHS. */
export const CAPITALISED = "\\p{Lu}[\\p{L}\\d]*(?:['-][\\p{L}\\d]+)*";

/** Nothing of a word stands before, or after. */
export const WORD_START = "(?<![\\p{L}\\d'&-])";
export const WORD_END = '(?![\\p{L}\\d])';

const MONTHS_AND_DAYS =
  'January February March April May June July August September October November December Monday Tuesday Wednesday Thursday Friday Saturday Sunday Christmas Easter';
const FUNCTION_WORDS =
  'The A An And But Or If When While As At By For From In Into Of On Off To With Without Under Over Since After Before During Until About Our Your My Their His Her Its This That These Those There Here It He She They We You I Who What Where Why How Is Was Are Were Has Have Had Do Does Did Can Could Will Would Shall Should May Might Must Not No Yes So Then Than Also All Both Each Every Some Any Many Most More Last Next First Second Please Thank Thanks Dear Yours Sincerely Faithfully Regards Sir Madam Re Ref Yesterday Today Tomorrow Now However Meanwhile Although Because Despite Between Near Outside Inside Per Via';
const LETTER_WORDS =
  'Account Address Agreement Amount Annual Application Appendix Balance Bill Budget Chair Chairman Chancellor Client Clause Contract Court Customer Date Deposit Director Email Fax Invoice Item Landlord Letter Manager Matter Minister Mobile Name Number Order Page Partner Patient Phone President Prime Professional Property Purchase Queen King Prince Princess Reference Report Reserve Schedule Secretary Section Solicitor Statement Subject Sum Surveyor Table Tel Telephone Tenant Total VAT';

/** Words that begin sentences or stand in forms, and so carry a capital without naming anything. */
export const NO_NAMES: ReadonlySet<string> = new Set(`${MONTHS_AND_DAYS} ${FUNCTION_WORDS} ${LETTER_WORDS}`.split(' '));

/** Of a country: part of an organisation's name, never of a person's. */
export const ADJECTIVES: ReadonlySet<string> = new Set(
  'English Scottish Welsh Irish British European American Australian Canadian Chinese Dutch French German Indian Italian Japanese Polish Russian Spanish Royal National Local Regional Central General Great'.split(
    ' ',
  ),
);

/** Of these, the ones that begin an organisation's name as well where no sentence begins: Deposit Guarantee Company. */
const ALSO_NAMES = new Set(
  'Account Budget Deposit King Mobile Phone President Prince Princess Property Purchase Queen Reserve Total'.split(' '),
);

/** A span of the text. */
export interface Span {
  readonly start: number;
  readonly end: number;
}

/** The span without words at its start that are no part of a name; undefined when none is left. */
export function withoutLeadingNoNames(text: string, span: Span): Span | undefined {
  let { start } = span;
  for (;;) {
    const word = /^[\p{L}\d'-]+/u.exec(text.slice(start, span.end))?.[0];
    if (word === undefined || !NO_NAMES.has(word)) break;
    if (ALSO_NAMES.has(word) && !beginsSentence(text, start)) break;
    start += word.length;
    start += /^[\s&]*(?:(?:of|and|for|the)\s+)*/.exec(text.slice(start, span.end))?.[0].length ?? 0;
  }
  return start < span.end ? { start, end: span.end } : undefined;
}

/** The span without blanks, quotes, commas and full stops around it, and without a possessive at its end. */
export function trimmed(text: string, span: Span): Span {
  const inner = text.slice(span.start, span.end);
  const lead = /^[\s"'([,.;:!?-]*/.exec(inner)?.[0].length ?? 0;
  const body = inner.slice(lead).replace(/(?:'s?|[\s"')\],.;:!?-])+$/, '');
  return { start: span.start + lead, end: span.start + lead + body.length };
}

/** Whether a position begins a sentence or a line, where every word carries a capital. */
export function beginsSentence(text: string, start: number): boolean {
  return /(?:^|[.!?:]["')]*\s+|\n\s*["'(]*)$/.test(text.slice(Math.max(0, start - 12), start)) || start === 0;
}

/** Every place where one to five words in a row are a listed name; the longest at each place. */
export function findListed(text: string, isListed: (name: string) => boolean): Span[] {
  const words = [...text.matchAll(/[\p{L}\d][\p{L}\d&]*(?:['-][\p{L}\d]+)*|&/gu)];
  const found: Span[] = [];
  for (let first = 0; first < words.length; first += 1) {
    const start = words[first]?.index ?? 0;
    if (!/\p{Lu}|[a-z]\p{Lu}/u.test(text.slice(start, start + 2))) continue;
    for (let count = 5; count >= 1; count -= 1) {
      const last = words[first + count - 1];
      if (!last) continue;
      const end = (last.index ?? 0) + last[0].length;
      const name = text.slice(start, end);
      const possessive = name.endsWith("'s") && !isListed(name) ? 2 : 0;
      if (!isListed(name.slice(0, name.length - possessive))) continue;
      found.push({ start, end: end - possessive });
      first += count - 1;
      break;
    }
  }
  return found;
}
