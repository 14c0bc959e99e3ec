/**
 * `vector.upsert`, `vector.search`, `vector.delete`, `vector.collections`: items by their vectors, given or embedded here.
 * A collection pins its dimension and embedding model with its first item. An upsert is all or nothing, and idempotent.
 */

import { EMBEDDING_DIMENSIONS, EMBEDDING_MODEL, embedTexts, warmEmbedding } from '../embed/embedding.js';
import { MAX_EMBEDDED_CHARACTERS } from '../embed/manifest.js';
import { asList, asMap, asOptionalInteger, asOptionalText, asText, describe, invalid } from '../input.js';
import type { HandlersOf, TaskContext } from '../runtime.js';
import { asCollection, asKey, asMetadata } from '../storage/collection-input.js';
import type { VectorSpace } from '../storage/collections.js';
import { conditionOf } from './filter.js';
import {
  DEFAULT_TOP,
  MAX_DIMENSIONS,
  MAX_ITEMS,
  MAX_TEXT_CHARACTERS,
  MAX_TOP,
  type vector as manifest,
} from './manifest.js';
import { type VectorCollectionSummary, type VectorItem, VectorStore } from './store.js';

/** What `vector.upsert` answers. */
export interface UpsertOutput {
  readonly collection: string;
  readonly upserted: number;
  readonly dimensions: number;
  /** Null where the vectors came without the name of their model. */
  readonly model: string | null;
}

export interface VectorMatch {
  readonly id: string;
  /** Cosine similarity, 1 to -1. */
  readonly score: number;
  readonly text?: string;
  readonly metadata?: Readonly<Record<string, unknown>>;
}

const store = new VectorStore();

interface Entry {
  readonly key: string;
  readonly vector: readonly number[] | undefined;
  readonly text: string | null;
  readonly metadata: string | null;
}

async function upsert(input: unknown, context: TaskContext): Promise<UpsertOutput> {
  const map = asMap(input, '{ collection, items }');
  const collection = asCollection(map.collection);
  const entries = asList(map.items, 'input.items', MAX_ITEMS).map((item, index) => readEntry(item, index));
  const space = spaceOf(entries, asOptionalText(map.model, 'input.model') ?? null);
  store.assertRoom();
  const items = await embedEntries(entries, context);
  store.put(collection, space, items, Date.now());
  return { collection, upserted: items.length, ...space };
}

function readEntry(item: unknown, index: number): Entry {
  const path = `input.items[${index}]`;
  if (typeof item !== 'object' || item === null) {
    throw invalid(path, `expected a map { id, vector } or { id, text }, got ${describe(item)}`);
  }
  const map = item as Readonly<Record<string, unknown>>;
  const key = asKey(map.id, `${path}.id`);
  const metadata = asMetadata(map.metadata, `${path}.metadata`);
  const vector = map.vector === undefined ? undefined : asVector(map.vector, `${path}.vector`);
  if (vector !== undefined && map.text === undefined) return { key, vector, text: null, metadata };
  return { key, vector, text: asText(map.text, `${path}.text`, MAX_EMBEDDED_CHARACTERS), metadata };
}

/** A direction; the vector of zeros has none. */
function asVector(value: unknown, path: string): readonly number[] {
  const list = value instanceof Float32Array || value instanceof Float64Array ? [...value] : value;
  if (!Array.isArray(list)) throw invalid(path, `expected a list of numbers, got ${describe(value)}`);
  if (list.length === 0 || list.length > MAX_DIMENSIONS) {
    throw invalid(path, `expected 1 to ${MAX_DIMENSIONS} numbers, got ${list.length}`);
  }
  const wrong = list.findIndex((number) => typeof number !== 'number' || !Number.isFinite(Math.fround(number)));
  if (wrong >= 0) throw invalid(`${path}[${wrong}]`, `expected a number, got ${describe(list[wrong])}`);
  if (list.every((number) => number === 0)) throw invalid(path, 'expected a direction, got only zeros');
  return list as number[];
}

/** What the entries have in common. @throws TaskError where they don't, or where a model is named for texts */
function spaceOf(entries: readonly Entry[], model: string | null): VectorSpace {
  const own = entries.filter(({ vector }) => vector !== undefined);
  if (own.length === 0) {
    if (model !== null && model !== EMBEDDING_MODEL) {
      throw invalid('input.model', `texts are embedded here with ${EMBEDDING_MODEL}; leave it out, or send vectors`);
    }
    return { dimensions: EMBEDDING_DIMENSIONS, model: EMBEDDING_MODEL };
  }
  const dimensions = own[0]?.vector?.length ?? 0;
  for (const [index, { vector }] of entries.entries()) {
    if (vector === undefined) {
      throw invalid(
        `input.items[${index}]`,
        'expected a vector, as other items of this task have one; send texts apart',
      );
    }
    if (vector.length !== dimensions) {
      throw invalid(
        `input.items[${index}].vector`,
        `expected ${dimensions} numbers, as the first one has, got ${vector.length}`,
      );
    }
  }
  return { dimensions, model };
}

async function embedEntries(entries: readonly Entry[], context: TaskContext): Promise<VectorItem[]> {
  const texts = entries.flatMap(({ vector, text }) => (vector === undefined && text !== null ? [text] : []));
  const total = texts.reduce((sum, text) => sum + text.length, 0);
  if (total > MAX_TEXT_CHARACTERS) {
    throw invalid(
      'input.items',
      `expected at most ${MAX_TEXT_CHARACTERS} characters of text in all, got ${total}; split them into several tasks`,
    );
  }
  const vectors = await embedTexts(texts, {
    signal: context.signal,
    progress: (share) => context.progress(share),
  });
  let at = 0;
  return entries.map(({ vector, ...entry }) => ({ ...entry, vector: vector ?? vectors[at++] ?? [] }));
}

async function search(input: unknown, context: TaskContext): Promise<{ readonly matches: readonly VectorMatch[] }> {
  const map = asMap(input, '{ collection, vector } or { collection, text }');
  const collection = asCollection(map.collection);
  const top = asOptionalInteger(map.topK, 'input.topK', MAX_TOP) ?? DEFAULT_TOP;
  if (top === 0) throw invalid('input.topK', `expected a whole number from 1 to ${MAX_TOP}, got 0`);
  const condition = conditionOf(map.filter);
  const { vector, space } = await queryVector(map, collection, context);
  const found = store.search(collection, space, vector, top, condition);
  const matches = found.map(({ key, text, metadata, distance }) => ({
    id: key,
    score: Math.round((1 - distance) * 1e6) / 1e6,
    ...(text === null ? {} : { text }),
    ...(metadata === null ? {} : { metadata: JSON.parse(metadata) as Record<string, unknown> }),
  }));
  return { matches };
}

async function queryVector(
  map: Readonly<Record<string, unknown>>,
  collection: string,
  context: TaskContext,
): Promise<{ vector: readonly number[]; space: VectorSpace }> {
  if (map.vector !== undefined && map.text !== undefined) {
    throw invalid('input', 'expected either vector or text, got both');
  }
  if (map.vector === undefined) {
    const text = asText(map.text, 'input.text', MAX_EMBEDDED_CHARACTERS);
    const [vector = []] = await embedTexts([text], { signal: context.signal });
    return { vector, space: { dimensions: EMBEDDING_DIMENSIONS, model: EMBEDDING_MODEL } };
  }
  const vector = asVector(map.vector, 'input.vector');
  // A vector without a model is taken to be of the collection's; a named model has to be it.
  const model = asOptionalText(map.model, 'input.model') ?? store.spaceOf(collection)?.model ?? null;
  return { vector, space: { dimensions: vector.length, model } };
}

function remove(input: unknown): { readonly collection: string; readonly deleted: number } {
  const map = asMap(input, '{ collection, ids } or { collection, all: true }');
  const collection = asCollection(map.collection);
  if (map.all === true && map.ids === undefined) return { collection, deleted: store.deleteCollection(collection) };
  if (map.all !== undefined) throw invalid('input', 'expected either ids or all: true');
  const keys = asList(map.ids, 'input.ids', MAX_ITEMS).map((key, index) => asKey(key, `input.ids[${index}]`));
  return { collection, deleted: store.deleteItems(collection, keys, Date.now()) };
}

function list(): { readonly collections: readonly VectorCollectionSummary[] } {
  return { collections: store.collections() };
}

export const handlers: HandlersOf<typeof manifest> = {
  'vector.upsert': upsert,
  'vector.search': search,
  'vector.delete': remove,
  'vector.collections': list,
};

/** Opens the data and loads the model. */
export async function warm(): Promise<void> {
  store.open();
  await warmEmbedding();
}
