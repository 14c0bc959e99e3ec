/**
 * `ner.extract`: people, organisations, places, absolute dates and money in a text, with exact offsets (UTF-16 units:
 * `text.slice(start, end)` is the entity's text) and a normal form. UK forms come first. Works offline.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { asMap, asText } from '../input.js';
import type { HandlersOf, TaskContext } from '../runtime.js';
import { findDateRanges } from './date-ranges.js';
import { findDates } from './dates.js';
import { type Candidate, choose, type Entity } from './entity.js';
import { type Language, loadLanguage } from './language.js';
import { MAX_CHARACTERS, type ner as manifest } from './manifest.js';
import { mask, paragraphs } from './mask.js';
import { findMoney } from './money.js';
import { findOrganisations } from './organisations.js';
import { findPeople } from './people.js';
import { findPlaces } from './places.js';

/** What `ner.extract` answers, in the order of the text. */
export interface NerOutput {
  readonly entities: readonly Entity[];
}

/** After so much text the process handles a cancel and reports progress. */
const PIECE_CHARACTERS = 4_000;

let language: Promise<Language> | undefined;

async function extract(input: unknown, context: TaskContext): Promise<NerOutput> {
  const text = asText(asMap(input, '{ text }').text, 'input.text', MAX_CHARACTERS);
  language ??= loadLanguage();
  const loaded = await language;
  const masked = mask(text);
  const candidates: Candidate[] = [];
  for (const piece of paragraphs(masked, PIECE_CHARACTERS)) {
    for (const found of findIn(piece.text, loaded)) {
      candidates.push({ ...found, start: found.start + piece.offset, end: found.end + piece.offset });
    }
    context.progress((piece.offset + piece.text.length) / masked.length);
    await nextTurn();
    context.signal.throwIfAborted();
  }
  const entities = choose(candidates).map(({ type, start, end, normal }) => ({
    type,
    text: text.slice(start, end),
    start,
    end,
    normal,
  }));
  return { entities };
}

function findIn(text: string, language: Language): Candidate[] {
  const names = language.read(text);
  const organisations = findOrganisations(text, names.organisations, language.isFirstName);
  return [
    ...findMoney(text),
    ...findDates(text),
    ...findDateRanges(text),
    ...names.feasts,
    ...organisations,
    ...findPeople(text, names.people, organisations),
    ...findPlaces(text, names.places),
  ];
}

export const handlers: HandlersOf<typeof manifest> = { 'ner.extract': extract };

/** Loads the lexicon, so that the first task is as fast as the next. */
export async function warm(): Promise<void> {
  language ??= loadLanguage();
  (await language).read('Margaret Whitfield lives in Bristol since Easter Monday 2024.');
}
