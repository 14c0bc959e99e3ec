/** What `rag.*` keeps: collections, their documents and the index of their passages. One transaction a document. */

import { EMBEDDING_DIMENSIONS, EMBEDDING_MODEL } from '../embed/embedding.js';
import { TaskError } from '../runtime.js';
import {
  blobOf,
  type Collection,
  createCollection,
  findCollection,
  requireCollection,
  touchCollection,
  type VectorSpace,
} from '../storage/collections.js';
import { DataStore } from '../storage/data-store.js';
import type { Database } from '../storage/sqlite.js';
import type { IndexedDocument, IndexedPassage } from './indexed-document.js';
import { createCollectionTables, dropCollectionTables, RAG_MIGRATIONS } from './schema.js';

/** This worker's own model embeds what is ingested. */
type EmbeddedSpace = VectorSpace & { readonly model: string };
export type RagCollection = Collection<EmbeddedSpace>;

/** A collection as `rag.collections` lists it. */
export interface CollectionSummary {
  readonly collection: string;
  readonly documents: number;
  readonly passages: number;
  readonly model: string;
  readonly dimensions: number;
  /** ISO 8601. */
  readonly changedAt: string;
}

export interface StoredPassage {
  readonly id: number;
  readonly key: string;
  readonly title: string;
  readonly metadata: string | null;
  readonly start: number;
  readonly end: number;
  readonly text: string;
}

/** The file `rag.sqlite`. */
export class RagStore {
  readonly #data = new DataStore({ workload: 'rag', migrations: RAG_MIGRATIONS });

  /** Opens the file, so that what is wrong with it shows when the workload starts. */
  open(): void {
    this.#data.read(() => undefined);
  }

  close(): void {
    this.#data.close();
  }

  assertRoom(): void {
    this.#data.assertRoom();
  }

  /** One snapshot for all reads of a query. @throws TaskError for a collection that does not exist */
  query<T>(name: string, work: (database: Database, collection: RagCollection) => T): T {
    return this.#data.read((database) =>
      work(database, requireCollection(database, name, 'Send documents to it with rag.ingest')),
    );
  }

  collections(): CollectionSummary[] {
    return this.#data.read((database) =>
      database
        .prepare<[], Omit<CollectionSummary, 'changedAt'> & { changedAt: number }>(
          `SELECT c.name AS collection, c.model, c.dimensions, c.changed_at AS changedAt,
             (SELECT count(*) FROM documents d WHERE d.collection = c.id) AS documents,
             (SELECT count(*) FROM passages p JOIN documents d ON d.id = p.document WHERE d.collection = c.id) AS passages
           FROM collections c ORDER BY c.name`,
        )
        .all()
        .map((row) => ({ ...row, changedAt: new Date(row.changedAt).toISOString() })),
    );
  }

  /** The hash of a document as it is stored; undefined where it is not. */
  hashOf(name: string, key: string): string | undefined {
    return this.#data.read((database) =>
      database
        .prepare<[string, string], string>(
          'SELECT d.hash FROM documents d JOIN collections c ON c.id = d.collection WHERE c.name = ? AND d.key = ?',
        )
        .pluck()
        .get(name, key),
    );
  }

  /** Puts a document in place of the one with its key; makes the collection where it is the first. */
  put(name: string, document: IndexedDocument, now: number): void {
    this.#data.write((database) => {
      const collection = findCollection<EmbeddedSpace>(database, name) ?? makeCollection(database, name, now);
      if (collection.model !== EMBEDDING_MODEL) {
        const message = `collection ${name} was embedded with ${collection.model}, this worker embeds with ${EMBEDDING_MODEL}. Delete the collection and ingest it again.`;
        throw new TaskError('collection.model', message);
      }
      removeDocument(database, collection.id, document.key);
      insertDocument(database, collection.id, document);
      touchCollection(database, collection.id, now);
    });
  }

  /** @returns how many of the documents were there */
  deleteDocuments(name: string, keys: readonly string[], now: number): number {
    const deleted = this.#data.write((database) => {
      const collection = findCollection(database, name);
      if (collection === undefined) return 0;
      touchCollection(database, collection.id, now);
      return keys.filter((key) => removeDocument(database, collection.id, key)).length;
    });
    if (deleted > 0) this.#data.shrink();
    return deleted;
  }

  /** @returns how many documents went with it */
  deleteCollection(name: string): number {
    const deleted = this.#data.write((database) => {
      const collection = findCollection(database, name);
      if (collection === undefined) return 0;
      database.exec(dropCollectionTables(collection.id));
      const { changes } = database.prepare('DELETE FROM documents WHERE collection = ?').run(collection.id);
      database.prepare('DELETE FROM collections WHERE id = ?').run(collection.id);
      return changes;
    });
    this.#data.shrink();
    return deleted;
  }
}

/** The passages with these ids, in their order. */
export function readPassages(database: Database, ids: readonly number[]): StoredPassage[] {
  const select = database.prepare<[number], Omit<StoredPassage, 'text'> & { body: string }>(
    `SELECT p.id, p.start, p."end", d.key, d.title, d.metadata, d.text AS body
     FROM passages p JOIN documents d ON d.id = p.document WHERE p.id = ?`,
  );
  return ids.flatMap((id) => {
    const row = select.get(id);
    if (row === undefined) return [];
    const { body, ...passage } = row;
    // SQLite counts code points, offsets count UTF-16 code units: cut here.
    return [{ ...passage, text: body.slice(row.start, row.end) }];
  });
}

function makeCollection(database: Database, name: string, now: number): RagCollection {
  const space = { model: EMBEDDING_MODEL, dimensions: EMBEDDING_DIMENSIONS };
  const collection = createCollection<EmbeddedSpace>(database, name, space, 'rag.delete', now);
  database.exec(createCollectionTables(collection.id));
  return collection;
}

function insertDocument(database: Database, collection: number, document: IndexedDocument): void {
  const { key, hash, title, metadata, text } = document;
  const { lastInsertRowid } = database
    .prepare('INSERT INTO documents (collection, key, hash, title, metadata, text) VALUES (?, ?, ?, ?, ?, ?)')
    .run(collection, key, hash, title, metadata, text);
  for (const passage of document.passages) insertPassage(database, collection, Number(lastInsertRowid), title, passage);
}

function insertPassage(
  database: Database,
  collection: number,
  document: number,
  title: string,
  passage: IndexedPassage,
): void {
  const { lastInsertRowid } = database
    .prepare('INSERT INTO passages (document, start, "end") VALUES (?, ?, ?)')
    .run(document, passage.start, passage.end);
  database
    .prepare(`INSERT INTO words_${collection} (rowid, title, heading, text) VALUES (?, ?, ?, ?)`)
    .run(lastInsertRowid, title, passage.heading ?? '', passage.text);
  database
    .prepare(`INSERT INTO passage_vectors_${collection} (rowid, embedding) VALUES (?, ?)`)
    // vec0 takes integers only as rowids, and a JavaScript number is bound as a float.
    .run(BigInt(lastInsertRowid), blobOf(passage.vector));
  const insertSentence = database.prepare('INSERT INTO sentences (passage) VALUES (?)');
  const insertVector = database.prepare(`INSERT INTO sentence_vectors_${collection} (rowid, embedding) VALUES (?, ?)`);
  for (const vector of passage.sentenceVectors) {
    const sentence = insertSentence.run(lastInsertRowid).lastInsertRowid;
    insertVector.run(BigInt(sentence), blobOf(vector));
  }
}

function removeDocument(database: Database, collection: number, key: string): boolean {
  const document = database
    .prepare<[number, string], number>('SELECT id FROM documents WHERE collection = ? AND key = ?')
    .pluck()
    .get(collection, key);
  if (document === undefined) return false;
  const passages = 'SELECT id FROM passages WHERE document = ?';
  for (const statement of [
    `DELETE FROM words_${collection} WHERE rowid IN (${passages})`,
    `DELETE FROM passage_vectors_${collection} WHERE rowid IN (${passages})`,
    `DELETE FROM sentence_vectors_${collection} WHERE rowid IN (SELECT id FROM sentences WHERE passage IN (${passages}))`,
    'DELETE FROM documents WHERE id = ?',
  ]) {
    database.prepare(statement).run(document);
  }
  return true;
}
