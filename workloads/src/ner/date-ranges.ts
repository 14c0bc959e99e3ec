/**
 * Ranges whose first date borrows from the second: 7-18 July 2025, 28 April to 3 May 2025, April to June 2025. Their
 * normal form is an ISO 8601 interval, `2025-07-07/2025-07-18`. A range of two whole dates is two dates.
 */
import { calendarDate, MONTH_WORDS, monthNumber, pad } from './dates.js';
import type { Candidate } from './entity.js';

const WEEKDAY = '(?:(?:mon|tues?|wed(?:nes)?|thu(?:rs?)?|fri|sat(?:ur)?|sun)(?:day)?\\.?,? +(?:the +)?)?';
const day = (name: string): string => `(?<${name}>\\d{1,2})(?: ?(?:st|nd|rd|th))?`;
const month = (name: string): string => `(?<${name}>${MONTH_WORDS.join('|')})\\.?`;
const TO =
  '(?: *[-\u2013\u2014] *| +(?:to|until|till|through) +(?:the +)?|(?<=\\bbetween [^.;\\n]{1,30}) +and +(?:the +)?)';
const YEAR = ',? +(?<year>(?:1[5-9]|20)\\d\\d)(?![\\w/]|-\\d|[.,]\\d)';
const BEFORE = '(?<![\\w/.,£$€-])';

const FORMS: readonly RegExp[] = [
  `${BEFORE}${WEEKDAY}${day('firstDay')}(?:(?: +of)? +${month('firstMonth')})?${TO}${WEEKDAY}${day('lastDay')}(?: +of)? +${month('lastMonth')}${YEAR}`,
  `${BEFORE}${month('firstMonth')}${TO}${month('lastMonth')}${YEAR}`,
].map((form) => new RegExp(form, 'gi'));

/** Every such range; both ends are checked against the calendar and have to be in order. */
export function findDateRanges(text: string): Candidate[] {
  return FORMS.flatMap((form) =>
    [...text.matchAll(form)].flatMap((match): Candidate[] => {
      const normal = intervalOf(match.groups ?? {});
      const start = match.index ?? 0;
      return normal === undefined ? [] : [{ type: 'date', start, end: start + match[0].length, normal, rank: 92 }];
    }),
  );
}

function intervalOf(groups: Readonly<Record<string, string | undefined>>): string | undefined {
  const lastMonth = monthNumber(groups.lastMonth ?? '');
  const firstMonth = groups.firstMonth === undefined ? lastMonth : monthNumber(groups.firstMonth);
  const year = Number(groups.year);
  // 20 December to 3 January 2025 began in 2024.
  const firstYear = firstMonth > lastMonth ? year - 1 : year;
  if (groups.firstDay === undefined) {
    return firstMonth === lastMonth ? undefined : `${firstYear}-${pad(firstMonth)}/${year}-${pad(lastMonth)}`;
  }
  const first = calendarDate(firstYear, firstMonth, Number(groups.firstDay));
  const last = calendarDate(year, lastMonth, Number(groups.lastDay));
  return first !== undefined && last !== undefined && first < last ? `${first}/${last}` : undefined;
}
