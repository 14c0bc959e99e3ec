/**
 * `ner.extract`: people, organisations, places, absolute dates and money in a text, with exact offsets (UTF-16 units:
 * `text.slice(start, end)` is the entity's text) and a normal form. UK forms come first. Works offline.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Handler, TaskContext } from '../../runtime/runtime.js';
import { asMap, asText } from '../input.js';
import { findDates } from '../ner/dates.js';
import { type Candidate, choose, type Entity } from '../ner/entity.js';
import { type Language, loadLanguage } from '../ner/language.js';
import { mask, paragraphs } from '../ner/mask.js';
import { findMoney } from '../ner/money.js';
import { findOrganisations } from '../ner/organisations.js';
import { findPeople } from '../ner/people.js';
import { findPlaces } from '../ner/places.js';

/** What `ner.extract` answers, in the order of the text. */
export interface NerOutput {
  readonly entities: readonly Entity[];
}

/** About 15 s of reading. */
const MAX_CHARACTERS = 500_000;
/** After so much text the process hears a cancel and tells its progress. */
const PIECE_CHARACTERS = 4_000;

let language: Promise<Language> | undefined;

async function extract(input: unknown, context: TaskContext): Promise<NerOutput> {
  const text = asText(asMap(input, '{ text }').text, 'input.text', MAX_CHARACTERS);
  language ??= loadLanguage();
  const read = await language;
  const masked = mask(text);
  const candidates: Candidate[] = [];
  for (const piece of paragraphs(masked, PIECE_CHARACTERS)) {
    for (const found of findIn(piece.text, read)) {
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

function findIn(text: string, read: Language): Candidate[] {
  const names = read(text);
  return [
    ...findMoney(text),
    ...findDates(text),
    ...names.feasts,
    ...findOrganisations(text, names.organisations),
    ...findPeople(text, names.people),
    ...findPlaces(text, names.places),
  ];
}

export const handlers: Readonly<Record<string, Handler>> = { 'ner.extract': extract };

/** Loads the lexicon, so that the first task is as fast as the next. */
export async function warm(): Promise<void> {
  language ??= loadLanguage();
  (await language)('Margaret Whitfield lives in Bristol since Easter Monday 2024.');
}
