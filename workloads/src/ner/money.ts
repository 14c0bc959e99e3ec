/** Amounts of money: signs (£1,250.50), codes (USD 40), words of currency (40 euros, 50p), and numbers in words (two hundred pounds). */
import type { Candidate, MoneyNormal } from './entity.js';

const SIGNS: Readonly<Record<string, string>> = {
  '£': 'GBP',
  '€': 'EUR',
  $: 'USD',
  US$: 'USD',
  A$: 'AUD',
  AU$: 'AUD',
  C$: 'CAD',
  CA$: 'CAD',
  NZ$: 'NZD',
  HK$: 'HKD',
  '¥': 'JPY',
  '₹': 'INR',
};
const CODES = 'GBP EUR USD JPY CHF AUD CAD NZD SEK NOK DKK PLN CZK HUF INR CNY HKD SGD ZAR AED'.split(' ');
const WORDS: Readonly<Record<string, string>> = {
  'pounds sterling': 'GBP',
  'pound sterling': 'GBP',
  pounds: 'GBP',
  pound: 'GBP',
  quid: 'GBP',
  euros: 'EUR',
  euro: 'EUR',
  'us dollars': 'USD',
  'australian dollars': 'AUD',
  'canadian dollars': 'CAD',
  dollars: 'USD',
  dollar: 'USD',
  'swiss francs': 'CHF',
  yen: 'JPY',
  rupees: 'INR',
};
const MULTIPLES: Readonly<Record<string, number>> = {
  k: 1e3,
  thousand: 1e3,
  m: 1e6,
  mn: 1e6,
  million: 1e6,
  bn: 1e9,
  b: 1e9,
  billion: 1e9,
  tn: 1e12,
  trillion: 1e12,
};
const UNITS =
  'zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen'.split(
    ' ',
  );
const TENS = 'zero ten twenty thirty forty fifty sixty seventy eighty ninety'.split(' ');
const SCALES: Readonly<Record<string, number>> = { thousand: 1e3, million: 1e6, billion: 1e9 };

const SIGN = '(?<sign>(?:US|AU?|CA?|NZ|HK)?\\$|[£€¥₹])';
const CODE = `(?<code>${CODES.join('|')})`;
const WORD = `(?<word>${Object.keys(WORDS).join('|').replaceAll(' ', ' +')})`;
/** Groups of three with comma or, before a decimal comma, with point; or plain digits. */
const NUMBER =
  '(?<number>\\d{1,3}(?:\\.\\d{3})+,\\d\\d(?!\\d)|\\d{1,3}(?:,\\d{3})+(?:\\.\\d+)?|\\d+(?:\\.\\d+)?)(?!\\d)';
const SHORT = '(?: ?(?<multiple>k|mn?|bn?|tn)\\b| +(?<longMultiple>thousand|million|billion|trillion)\\b)?';
const NUMBER_WORD = `(?:${[...UNITS, ...TENS.slice(2), 'hundred', ...Object.keys(SCALES), 'half', 'an?'].join('|')})`;
/** A weight is no price. */
const NOT_WEIGHT =
  '(?! +(?:of +(?:flour|sugar|meat|weight|force|pressure)|in +weight|heavier|lighter|overweight|per +square))';

const FORMS: readonly RegExp[] = [
  new RegExp(`(?<![\\w£€$])${SIGN} ?${NUMBER}${SHORT}(?: +${WORD}\\b)?`, 'gi'),
  new RegExp(`(?<![\\w])${CODE} ?${NUMBER}${SHORT}`, 'g'),
  new RegExp(`(?<![\\w.,/£€$])${NUMBER}${SHORT} ?${CODE}\\b`, 'g'),
  new RegExp(`(?<![\\w.,/£€$])${NUMBER}${SHORT} +${WORD}\\b${NOT_WEIGHT}`, 'gi'),
  /(?<![\w.,/£€$])(?<number>\d{1,3}) ?(?<pence>p|pence)\b(?!\.m)/g,
  new RegExp(`(?<!\\w)(?<inWords>${NUMBER_WORD}(?:(?: +and +|[ -]+)${NUMBER_WORD})*) +${WORD}\\b${NOT_WEIGHT}`, 'gi'),
];

/** Every amount of money, with its ISO 4217 currency. */
export function findMoney(text: string): Candidate[] {
  return FORMS.flatMap((form) =>
    [...text.matchAll(form)].flatMap((match): Candidate[] => {
      const normal = normalOf(match.groups ?? {});
      const start = match.index ?? 0;
      return normal === undefined ? [] : [{ type: 'money', start, end: start + match[0].length, normal, rank: 95 }];
    }),
  );
}

function normalOf(groups: Readonly<Record<string, string | undefined>>): MoneyNormal | undefined {
  const amount = groups.inWords === undefined ? amountOf(groups) : numberInWords(groups.inWords);
  const currency = currencyOf(groups);
  if (amount === undefined || currency === undefined) return undefined;
  return { amount: Math.round(amount * 1e4) / 1e4, currency };
}

function amountOf(groups: Readonly<Record<string, string | undefined>>): number {
  const written = groups.number ?? '';
  const plain = /\.\d{3},\d\d$|\.\d{3}\./.test(written)
    ? written.replaceAll('.', '').replace(',', '.')
    : written.replaceAll(',', '');
  const multiple = MULTIPLES[(groups.multiple ?? groups.longMultiple ?? '').toLowerCase()] ?? 1;
  return (Number(plain) * multiple) / (groups.pence === undefined ? 1 : 100);
}

function currencyOf({ sign, code, word, pence }: Readonly<Record<string, string | undefined>>): string | undefined {
  if (pence !== undefined) return 'GBP';
  if (sign !== undefined) return SIGNS[sign.toUpperCase()];
  return code ?? WORDS[(word ?? '').toLowerCase().replace(/ +/g, ' ')];
}

/** "one and a half million" = 1,500,000; "two hundred and fifty" = 250; undefined for words that make no number ("a half and and"). */
export function numberInWords(words: string): number | undefined {
  let total = 0;
  let group = 0;
  let heard = false;
  for (const word of words.toLowerCase().split(/[ -]+/)) {
    if (word === 'and' || word === 'a' || word === 'an') continue;
    heard = true;
    if (UNITS.includes(word)) group += UNITS.indexOf(word);
    else if (TENS.includes(word)) group += TENS.indexOf(word) * 10;
    else if (word === 'half') group += 0.5;
    else if (word === 'hundred') group = (group || 1) * 100;
    else {
      total += (group || 1) * (SCALES[word] ?? 1);
      group = 0;
    }
  }
  // "a pound" says no amount that anyone looks for.
  return heard ? total + group : undefined;
}
