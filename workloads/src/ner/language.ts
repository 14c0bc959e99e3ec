/** The one door to compromise: which spans of a text it takes for people, places and organisations, and dates that have a name. */
import type { Candidate } from './entity.js';
import { FIRST_NAMES } from './first-names.js';
import { type Span, trimmed } from './words.js';

/** What compromise reads in a text. */
export interface Reading {
  readonly people: readonly Span[];
  readonly places: readonly Span[];
  readonly organisations: readonly Span[];
  /** Feasts with their year: Christmas Day 2023. */
  readonly feasts: readonly Candidate[];
}

/** The lexicon with what it is asked. */
export interface Language {
  read(text: string): Reading;
  isFirstName(word: string): boolean;
}

interface OffsetJson {
  readonly text: string;
  readonly offset: { readonly start: number; readonly length: number };
  readonly dates?: { readonly start?: string | null; readonly unit?: string };
}

interface Selection {
  json(options: { readonly offset: true; readonly terms: false }): unknown;
}

/** Loads the lexicon (about 0.1 s). */
export async function loadLanguage(): Promise<Language> {
  const [{ default: nlp }, { default: dates }] = await Promise.all([import('compromise'), import('compromise-dates')]);
  const withDates = nlp.extend(dates);
  const { lexicon } = (nlp.model() as LexiconModel).one;
  return {
    read(text) {
      const document = withDates(text);
      return {
        people: spansOf(text, document.people()),
        places: spansOf(text, document.places()),
        organisations: spansOf(text, document.organizations()),
        feasts: FEAST.test(text) ? feastsIn(text, document.dates({ dmy: true, timezone: 'UTC' })) : [],
      };
    },
    isFirstName(word) {
      if (FIRST_NAMES.has(word)) return true;
      const key = word.toLowerCase();
      return Object.hasOwn(lexicon, key) && FIRST_NAME_TAGS.has(String(lexicon[key]));
    },
  };
}

/** The part of compromise's model that is read; a word has one tag or several. */
interface LexiconModel {
  readonly one: { readonly lexicon: Readonly<Record<string, unknown>> };
}
const FIRST_NAME_TAGS = new Set(['FirstName', 'MaleName', 'FemaleName']);

const FEAST =
  /\b(?:Christmas|Boxing Day|New Year's|Easter|Good Friday|Valentine's|Halloween|Pentecost|Palm Sunday|Ash Wednesday)\b/;

function feastsIn(text: string, selection: Selection): Candidate[] {
  return readJson(selection).flatMap((item): Candidate[] => {
    const span = spanOf(text, item);
    const inner = span && text.slice(span.start, span.end);
    if (!inner || !FEAST.test(inner) || !/\b(?:19|20)\d\d\b/.test(inner)) return [];
    const start = /^(?:on|by|until|before|after|since|from)\s+(?:the\s+)?/i.exec(inner)?.[0].length ?? 0;
    if (item.dates?.unit !== 'day' || typeof item.dates.start !== 'string') return [];
    return [
      { type: 'date', start: span.start + start, end: span.end, normal: item.dates.start.slice(0, 10), rank: 88 },
    ];
  });
}

function spansOf(text: string, selection: Selection): Span[] {
  return readJson(selection).flatMap((item) => {
    const span = spanOf(text, item);
    return span ? [span] : [];
  });
}

function readJson(selection: Selection): readonly OffsetJson[] {
  return selection.json({ offset: true, terms: false }) as readonly OffsetJson[];
}

/** Offsets are trusted only where the text agrees: with unusual characters the library's count may slip. */
function spanOf(text: string, { text: read, offset }: OffsetJson): Span | undefined {
  const end = offset.start + offset.length;
  const agrees = text.slice(offset.start, end).includes(read.trim());
  if (agrees) return trimmed(text, { start: offset.start, end });
  const near = text.indexOf(read.trim(), Math.max(0, offset.start - 200));
  return near < 0 ? undefined : trimmed(text, { start: near, end: near + read.trim().length });
}
