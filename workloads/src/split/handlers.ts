/**
 * `text.split`: `{ text, maxCharacters? }` to passages of whole sentences, cut as `rag.ingest` cuts documents. Works
 * offline and without a model. Offsets count UTF-16 code units of the text.
 */
import { asMap, asOptionalInteger, asText, invalid } from '../input.js';
import { passagesOf } from '../rag/passages.js';
import type { HandlersOf } from '../runtime.js';
import {
  DEFAULT_PASSAGE_CHARACTERS,
  LEAST_PASSAGE_CHARACTERS,
  MAX_CHARACTERS,
  MOST_PASSAGE_CHARACTERS,
  type split as manifest,
} from './manifest.js';

/** What `text.split` answers: `text` is the input's from `start` up to `end`. */
export interface SplitOutput {
  readonly passages: readonly { readonly text: string; readonly start: number; readonly end: number }[];
}

function split(input: unknown): SplitOutput {
  const map = asMap(input, '{ text }');
  const text = asText(map.text, 'input.text', MAX_CHARACTERS);
  const most =
    asOptionalInteger(map.maxCharacters, 'input.maxCharacters', MOST_PASSAGE_CHARACTERS) ?? DEFAULT_PASSAGE_CHARACTERS;
  if (most < LEAST_PASSAGE_CHARACTERS) {
    throw invalid('input.maxCharacters', `expected at least ${LEAST_PASSAGE_CHARACTERS}, got ${most}`);
  }
  return { passages: passagesOf(text, most).map(({ start, end }) => ({ text: text.slice(start, end), start, end })) };
}

export const handlers: HandlersOf<typeof manifest> = { 'text.split': split };
