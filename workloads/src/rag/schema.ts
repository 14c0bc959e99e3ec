/**
 * The tables of `rag.sqlite`. A collection's text index and vectors are tables of their own, so that word statistics
 * and neighbours are those of the collection, and deleting it is dropping them.
 */
import { EMBEDDING_DIMENSIONS } from '../embed/embedding.js';

export const RAG_MIGRATIONS: readonly string[] = [
  `
  CREATE TABLE collections (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    model TEXT NOT NULL,
    dimensions INTEGER NOT NULL,
    changed_at INTEGER NOT NULL
  );
  CREATE TABLE documents (
    id INTEGER PRIMARY KEY,
    collection INTEGER NOT NULL REFERENCES collections(id) ON DELETE CASCADE,
    key TEXT NOT NULL,
    hash TEXT NOT NULL,
    title TEXT NOT NULL,
    metadata TEXT,
    text TEXT NOT NULL,
    UNIQUE (collection, key)
  );
  CREATE TABLE passages (
    id INTEGER PRIMARY KEY,
    document INTEGER NOT NULL REFERENCES documents(id) ON DELETE CASCADE,
    start INTEGER NOT NULL,
    "end" INTEGER NOT NULL
  );
  CREATE INDEX passages_by_document ON passages (document);
  CREATE TABLE sentences (
    id INTEGER PRIMARY KEY,
    passage INTEGER NOT NULL REFERENCES passages(id) ON DELETE CASCADE
  );
  CREATE INDEX sentences_by_passage ON sentences (passage);
  `,
];

/** `words` keeps no copy of the text; Porter's stemmer makes "baking" find "baked". */
export function createCollectionTables(id: number): string {
  const vectors = `embedding float[${EMBEDDING_DIMENSIONS}] distance_metric=cosine`;
  return `
  CREATE VIRTUAL TABLE words_${id} USING fts5(
    title, heading, text, content='', contentless_delete=1, tokenize='porter unicode61 remove_diacritics 2'
  );
  CREATE VIRTUAL TABLE passage_vectors_${id} USING vec0(${vectors});
  CREATE VIRTUAL TABLE sentence_vectors_${id} USING vec0(${vectors});
  `;
}

export function dropCollectionTables(id: number): string {
  return `DROP TABLE words_${id}; DROP TABLE passage_vectors_${id}; DROP TABLE sentence_vectors_${id};`;
}
