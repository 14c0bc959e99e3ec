/**
 * `rag.ingest`, `rag.query`, `rag.delete`, `rag.collections`: documents in, cited passages out, and an answer where this
 * worker has an LLM. Ingesting is idempotent by document id, each document is on disk before the next is begun.
 */

import { tidy } from '../document/document-text.js';
import { extractDocument } from '../document/handlers.js';
import { EMBEDDING_MODEL, embedTexts, warmEmbedding } from '../embed/embedding.js';
import { asBytes, asList, asMap, asOptionalInteger, asOptionalText, asText, describe, invalid } from '../input.js';
import { type HandlersOf, type TaskContext, TaskError } from '../runtime.js';
import { asCollection, asKey, asMetadata } from '../storage/collection-input.js';
import { answerFrom } from './answer.js';
import { hashOf, indexDocument, type SourceDocument } from './indexed-document.js';
import {
  DEFAULT_TOP,
  MAX_DOCUMENTS,
  MAX_QUESTION_CHARACTERS,
  MAX_TOP,
  MAX_TOTAL_CHARACTERS,
  type rag as manifest,
} from './manifest.js';
import { searchPassages } from './search.js';
import { type CollectionSummary, RagStore, readPassages } from './store.js';
import { warmWordNet } from './wordnet.js';

/** What `rag.ingest` answers; each document's id is in one of the two lists. */
export interface IngestOutput {
  readonly collection: string;
  readonly ingested: readonly string[];
  /** Stored already, with the same content. */
  readonly unchanged: readonly string[];
  /** Passages that were made. */
  readonly passages: number;
  readonly model: string;
}

export interface FoundPassage {
  /** The id that `rag.ingest` was given. */
  readonly document: string;
  readonly title: string;
  readonly text: string;
  /** In the document's text, in UTF-16 code units. */
  readonly offsets: { readonly start: number; readonly end: number };
  /** 0 to 1, to compare passages of one answer. */
  readonly score: number;
  /** Its rank in each search, by meaning and by words, from 1; absent where that search did not find it. */
  readonly ranks: { readonly vector?: number; readonly text?: number };
  readonly metadata?: Readonly<Record<string, unknown>>;
}

export interface QueryOutput {
  readonly passages: readonly FoundPassage[];
  /** Cites as [1], [2]: places in `passages`, from 1. */
  readonly answer?: string;
  readonly citations?: readonly number[];
  readonly answeredBy: 'passages' | 'llm';
  /** The LLM's, where it answered. */
  readonly model?: string;
  /** Why there is no answer of an LLM although one was asked for. */
  readonly reason?: string;
}

/** An LLM's context is small, and passages further down seldom answer. */
const PROMPT_PASSAGES = 8;

const store = new RagStore();

async function ingest(input: unknown, context: TaskContext): Promise<IngestOutput> {
  const map = asMap(input, '{ collection, documents }');
  const collection = asCollection(map.collection);
  const sent = asList(map.documents, 'input.documents', MAX_DOCUMENTS);
  store.assertRoom();
  const documents = await readDocuments(sent, context);
  const ingested: string[] = [];
  const unchanged: string[] = [];
  let passages = 0;
  for (const [index, document] of documents.entries()) {
    if (store.hashOf(collection, document.key) === hashOf(document)) unchanged.push(document.key);
    else {
      const progress = (share: number): void => context.progress((index + share) / documents.length, document.key);
      const indexed = await indexDocument(document, { signal: context.signal, progress });
      store.put(collection, indexed, Date.now());
      ingested.push(document.key);
      passages += indexed.passages.length;
    }
    context.progress((index + 1) / documents.length, document.key);
  }
  return { collection, ingested, unchanged, passages, model: EMBEDDING_MODEL };
}

/** All are read before the first is stored, so that a mistake in the last stores nothing. */
async function readDocuments(sent: readonly unknown[], context: TaskContext): Promise<SourceDocument[]> {
  const documents: SourceDocument[] = [];
  const keys = new Set<string>();
  let total = 0;
  for (const [index, item] of sent.entries()) {
    context.signal.throwIfAborted();
    const document = await readDocument(item, `input.documents[${index}]`, context);
    if (keys.has(document.key)) throw invalid(`input.documents[${index}].id`, `'${document.key}' is there twice`);
    keys.add(document.key);
    total += document.text.length;
    if (total > MAX_TOTAL_CHARACTERS) {
      throw invalid(
        'input.documents',
        `expected at most ${MAX_TOTAL_CHARACTERS} characters of text in all, got more by document ${index + 1} of ${sent.length}; split them into several tasks`,
      );
    }
    documents.push(document);
  }
  return documents;
}

async function readDocument(item: unknown, path: string, context: TaskContext): Promise<SourceDocument> {
  if (typeof item !== 'object' || item === null) {
    throw invalid(path, `expected a map { id, text } or { id, bytes }, got ${describe(item)}`);
  }
  const map = item as Readonly<Record<string, unknown>>;
  const key = asKey(map.id, `${path}.id`);
  const title = asOptionalText(map.title, `${path}.title`);
  const metadata = asMetadata(map.metadata, `${path}.metadata`);
  if (map.bytes === undefined) {
    const text = asText(map.text, `${path}.text`, MAX_TOTAL_CHARACTERS);
    return { key, title: title ?? '', text, metadata };
  }
  if (map.text !== undefined) throw invalid(path, 'expected either text or bytes, got both');
  const hints = {
    name: asOptionalText(map.name, `${path}.name`),
    type: asOptionalText(map.type, `${path}.type`),
  };
  const read = await extractAt(asBytes(map.bytes, `${path}.bytes`), hints, path, context);
  const text = tidy(read.text);
  if (text === '') throw invalid(`${path}.bytes`, 'there is no text in this file; a scan goes through ocr.read first');
  return { key, title: title ?? read.title ?? '', text, metadata };
}

/** The reader's failures name `input.file`; here the file is at `path`. */
async function extractAt(
  file: Uint8Array,
  hints: { readonly name: string | undefined; readonly type: string | undefined },
  path: string,
  context: TaskContext,
): Promise<{ readonly text: string; readonly title?: string }> {
  try {
    return await extractDocument(file, hints, { ...context, progress: () => undefined });
  } catch (error) {
    if (!(error instanceof TaskError)) throw error;
    throw new TaskError(error.code, error.message.replace('input.file', `${path}.bytes`), error.retryable);
  }
}

async function query(input: unknown, context: TaskContext): Promise<QueryOutput> {
  const map = asMap(input, '{ collection, question }');
  const collection = asCollection(map.collection);
  const question = asText(map.question, 'input.question', MAX_QUESTION_CHARACTERS);
  const top = asOptionalInteger(map.topK, 'input.topK', MAX_TOP) ?? DEFAULT_TOP;
  if (top === 0) throw invalid('input.topK', `expected a whole number from 1 to ${MAX_TOP}, got 0`);
  if (map.answer !== undefined && typeof map.answer !== 'boolean') {
    throw invalid('input.answer', `expected true or false, got ${describe(map.answer)}`);
  }
  const passages = await findPassages(collection, question, top, context);
  if (map.answer === false) return { passages, answeredBy: 'passages' };
  if (passages.length === 0) return { passages, answeredBy: 'passages', reason: 'nothing was found' };
  if (context.llm === undefined) return { passages, answeredBy: 'passages', reason: 'this worker has no LLM' };
  const answer = await answerFrom(question, passages.slice(0, PROMPT_PASSAGES), context.llm, context.signal);
  if (!answer.ok) return { passages, answeredBy: 'passages', reason: answer.why };
  return { passages, answer: answer.text, citations: answer.cited, answeredBy: 'llm', model: answer.model };
}

async function findPassages(
  name: string,
  question: string,
  top: number,
  context: TaskContext,
): Promise<FoundPassage[]> {
  const [vector = []] = await embedTexts([question], { signal: context.signal });
  return store.query(name, (database, collection) => {
    const found = searchPassages(database, collection.id, question, vector).slice(0, top);
    const passages = new Map(
      readPassages(
        database,
        found.map(({ passage }) => passage),
      ).map((passage) => [passage.id, passage]),
    );
    return found.flatMap(({ passage: id, score, vectorRank, textRank }) => {
      const passage = passages.get(id);
      if (passage === undefined) return [];
      return {
        document: passage.key,
        title: passage.title,
        text: passage.text,
        offsets: { start: passage.start, end: passage.end },
        score: Math.round(score * 10_000) / 10_000,
        ranks: {
          vector: vectorRank,
          ...(textRank === undefined ? {} : { text: textRank }),
        },
        ...(passage.metadata === null ? {} : { metadata: JSON.parse(passage.metadata) as Record<string, unknown> }),
      };
    });
  });
}

function remove(input: unknown): { readonly collection: string; readonly deleted: number } {
  const map = asMap(input, '{ collection, documents } or { collection, all: true }');
  const collection = asCollection(map.collection);
  if (map.all === true && map.documents === undefined)
    return { collection, deleted: store.deleteCollection(collection) };
  if (map.all !== undefined) throw invalid('input', 'expected either documents (their ids) or all: true');
  const keys = asList(map.documents, 'input.documents', MAX_DOCUMENTS).map((key, index) =>
    asKey(key, `input.documents[${index}]`),
  );
  return { collection, deleted: store.deleteDocuments(collection, keys, Date.now()) };
}

function list(): { readonly collections: readonly CollectionSummary[] } {
  return { collections: store.collections() };
}

export const handlers: HandlersOf<typeof manifest> = {
  'rag.ingest': ingest,
  'rag.query': query,
  'rag.delete': remove,
  'rag.collections': list,
};

/** Opens the data, loads the model and the dictionary. */
export async function warm(): Promise<void> {
  store.open();
  warmWordNet();
  await warmEmbedding();
}
