/**
 * Absolute dates in UK forms. Written by hand and not left to a library, because the day comes first here and because
 * the offsets have to be exact; feasts (Easter Monday 2024) come from compromise-dates, see the handler.
 */
import type { Candidate } from './entity.js';

/** The months in order, as they are written. */
export const MONTH_WORDS = [
  'jan(?:uary)?',
  'feb(?:ruary)?',
  'mar(?:ch)?',
  'apr(?:il)?',
  'may',
  'june?',
  'july?',
  'aug(?:ust)?',
  'sept?(?:ember)?',
  'oct(?:ober)?',
  'nov(?:ember)?',
  'dec(?:ember)?',
] as const;
const ORDINALS =
  'first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth thirteenth fourteenth fifteenth sixteenth seventeenth eighteenth nineteenth twentieth twenty-first twenty-second twenty-third twenty-fourth twenty-fifth twenty-sixth twenty-seventh twenty-eighth twenty-ninth thirtieth thirty-first'.split(
    ' ',
  );

const MONTH = `(?<month>${MONTH_WORDS.join('|')})\\.?`;
const WEEKDAY = '(?:(?:mon|tues?|wed(?:nes)?|thu(?:rs?)?|fri|sat(?:ur)?|sun)(?:day)?\\.?,? +(?:the +)?)?';
const DAY = `(?:(?<day>\\d{1,2})(?: ?(?:st|nd|rd|th))?|(?<ordinal>${[...ORDINALS]
  .reverse()
  .map((word) => word.replace('-', '[ -]'))
  .join('|')}))`;
const YEAR = "(?:(?<year>(?:1[5-9]|20)\\d\\d)|'(?<shortYear>\\d\\d))";
/** 01/05/2025-03/05/2025 are two dates. */
const END = '(?![\\w/]|-\\d(?!\\d?/)|[.,]\\d)';
/** Time of day in an ISO timestamp belongs to the text of the date, not to its normal form. */
const ISO_TIME = '(?:[T ]\\d\\d:\\d\\d(?::\\d\\d(?:\\.\\d+)?)?(?:Z|[+-]\\d\\d:?\\d\\d)?)?';

const FORMS: readonly RegExp[] = [
  new RegExp(`(?<![\\w/.-])(?<year>(?:1[5-9]|20)\\d\\d)-(?<monthNumber>\\d\\d)-(?<day>\\d\\d)${ISO_TIME}${END}`, 'g'),
  new RegExp(
    `(?<![\\w/.,£$€])(?<!(?<!/\\d\\d|/\\d{4})-)(?<day>\\d{1,2})(?<mark> ?[/.-] ?)(?<monthNumber>\\d{1,2})\\k<mark>(?<numericYear>\\d{4}|\\d\\d)${END}`,
    'g',
  ),
  new RegExp(`(?<![\\w/.])${WEEKDAY}${DAY}(?: +of)?[ -]*${MONTH},?[ -]*${YEAR}${END}`, 'gi'),
  new RegExp(`(?<![\\w/])${WEEKDAY}${MONTH} +(?:the +)?${DAY},? +${YEAR}${END}`, 'gi'),
  new RegExp(`(?<![\\w/]|\\d(?:st|nd|rd|th)?(?: of)?[ -])${MONTH},? +(?:of +)?${YEAR}${END}`, 'gi'),
];

/** Every absolute date; the day is checked against the calendar. */
export function findDates(text: string): Candidate[] {
  return FORMS.flatMap((form) => [...text.matchAll(form)].flatMap((match) => candidateOf(match)));
}

function candidateOf(match: RegExpMatchArray): Candidate[] {
  const groups = match.groups ?? {};
  const normal = normalOf(groups);
  if (normal === undefined) return [];
  return [{ type: 'date', start: match.index ?? 0, end: (match.index ?? 0) + match[0].length, normal, rank: 90 }];
}

function normalOf(groups: Readonly<Record<string, string | undefined>>): string | undefined {
  // 1.2.24 may be a section of a contract, 20-05-24 a bank's sort code: two digits are a year only behind slashes.
  if (groups.numericYear?.length === 2 && groups.mark?.trim() !== '/') return undefined;
  const year = yearOf(groups);
  const month = groups.monthNumber === undefined ? monthNumber(groups.month ?? '') : Number(groups.monthNumber);
  if (groups.day === undefined && groups.ordinal === undefined) return `${year}-${pad(month)}`;
  const day =
    groups.day === undefined
      ? ORDINALS.indexOf((groups.ordinal ?? '').toLowerCase().replace(' ', '-')) + 1
      : Number(groups.day);
  // 05/13/2024 has no thirteenth month: then, and only then, the month comes first.
  return calendarDate(year, month, day) ?? (groups.mark === undefined ? undefined : calendarDate(year, day, month));
}

function yearOf(groups: Readonly<Record<string, string | undefined>>): number {
  const written = groups.year ?? groups.shortYear ?? groups.numericYear ?? '';
  const year = Number(written);
  if (written.length > 2) return year;
  return year < 70 ? 2000 + year : 1900 + year;
}

/** 1 to 12 for a month as it is written. */
export function monthNumber(word: string): number {
  return MONTH_WORDS.findIndex((month) => new RegExp(`^${month}$`, 'i').test(word)) + 1;
}

/** The ISO date, unless the calendar has none such. */
export function calendarDate(year: number, month: number, day: number): string | undefined {
  const date = new Date(Date.UTC(year, month - 1, day));
  if (date.getUTCMonth() !== month - 1 || date.getUTCDate() !== day || date.getUTCFullYear() !== year) return undefined;
  return `${year}-${pad(month)}-${pad(day)}`;
}

/** Two digits. */
export function pad(number: number): string {
  return String(number).padStart(2, '0');
}
