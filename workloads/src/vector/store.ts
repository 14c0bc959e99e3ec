/** What `vector.*` keeps: items with a vector each, in collections that pin their dimension and embedding model. */
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
import type { Condition } from './filter.js';
import { createVectorTable, dropVectorTable, VECTOR_MIGRATIONS } from './schema.js';

export interface VectorItem {
  readonly key: string;
  readonly vector: readonly number[];
  readonly text: string | null;
  /** JSON, or null. */
  readonly metadata: string | null;
}

export interface Match {
  readonly key: string;
  readonly text: string | null;
  readonly metadata: string | null;
  /** Cosine distance, 0 to 2. */
  readonly distance: number;
}

/** A collection as `vector.collections` lists it. */
export interface VectorCollectionSummary extends VectorSpace {
  readonly collection: string;
  readonly items: number;
  /** ISO 8601. */
  readonly changedAt: string;
}

/** The file `vector.sqlite`. */
export class VectorStore {
  readonly #data = new DataStore({ workload: 'vector', migrations: VECTOR_MIGRATIONS });

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

  /** What a collection pins; undefined while it does not exist. */
  spaceOf(name: string): VectorSpace | undefined {
    return this.#data.read((database) => findCollection(database, name));
  }

  /** Puts items in place of those with their keys, all or none; makes the collection where they are the first. */
  put(name: string, space: VectorSpace, items: readonly VectorItem[], now: number): void {
    this.#data.write((database) => {
      const collection = findCollection(database, name) ?? makeCollection(database, name, space, now);
      assertSameSpace(name, collection, space);
      for (const item of items) putItem(database, collection.id, item);
      touchCollection(database, collection.id, now);
    });
  }

  /** Nearest first. @throws TaskError for a collection that does not exist or is of another space */
  search(name: string, space: VectorSpace, vector: readonly number[], top: number, condition?: Condition): Match[] {
    return this.#data.read((database) => {
      const collection = requireCollection(database, name, 'Send items to it with vector.upsert');
      assertSameSpace(name, collection, space);
      // A filter comes first: filtering the nearest few could leave none.
      const filter =
        condition === undefined
          ? ''
          : `AND v.rowid IN (SELECT id FROM items WHERE collection = ? AND ${condition.sql})`;
      return database
        .prepare<unknown[], Match>(
          `SELECT i.key, i.text, i.metadata, v.distance FROM vectors_${collection.id} v JOIN items i ON i.id = v.rowid
           WHERE v.embedding MATCH ? AND v.k = ? ${filter} ORDER BY v.distance, i.key`,
        )
        .all(
          blobOf(vector),
          BigInt(top),
          ...(condition === undefined ? [] : [BigInt(collection.id), ...condition.values]),
        );
    });
  }

  /** @returns how many of the items were there */
  deleteItems(name: string, keys: readonly string[], now: number): number {
    const deleted = this.#data.write((database) => {
      const collection = findCollection(database, name);
      if (collection === undefined) return 0;
      touchCollection(database, collection.id, now);
      return keys.filter((key) => removeItem(database, collection.id, key)).length;
    });
    if (deleted > 0) this.#data.shrink();
    return deleted;
  }

  /** @returns how many items went with it */
  deleteCollection(name: string): number {
    const deleted = this.#data.write((database) => {
      const collection = findCollection(database, name);
      if (collection === undefined) return 0;
      database.exec(dropVectorTable(collection.id));
      const { changes } = database.prepare('DELETE FROM items WHERE collection = ?').run(collection.id);
      database.prepare('DELETE FROM collections WHERE id = ?').run(collection.id);
      return changes;
    });
    this.#data.shrink();
    return deleted;
  }

  collections(): VectorCollectionSummary[] {
    return this.#data.read((database) =>
      database
        .prepare<[], Omit<VectorCollectionSummary, 'changedAt'> & { changedAt: number }>(
          `SELECT name AS collection, model, dimensions, changed_at AS changedAt,
             (SELECT count(*) FROM items i WHERE i.collection = c.id) AS items
           FROM collections c ORDER BY name`,
        )
        .all()
        .map((row) => ({ ...row, changedAt: new Date(row.changedAt).toISOString() })),
    );
  }
}

function makeCollection(database: Database, name: string, space: VectorSpace, now: number): Collection {
  const collection = createCollection(database, name, space, 'vector.delete', now);
  database.exec(createVectorTable(collection.id, space.dimensions));
  return collection;
}

/** Vectors of two models mean nothing to each other, even where their dimensions agree. */
function assertSameSpace(name: string, pinned: VectorSpace, given: VectorSpace): void {
  if (pinned.model !== given.model) {
    const words = ({ model }: VectorSpace): string =>
      model === null ? 'vectors of your own, without a model' : `model ${model}`;
    const message = `collection '${name}' is pinned to ${words(pinned)}, and this came with ${words(given)}. Use another collection, or delete this one first.`;
    throw new TaskError('collection.model', message);
  }
  if (pinned.dimensions !== given.dimensions) {
    const message = `collection '${name}' is pinned to ${pinned.dimensions} dimensions, and this vector has ${given.dimensions}. Use another collection, or delete this one first.`;
    throw new TaskError('collection.dimensions', message);
  }
}

function putItem(database: Database, collection: number, item: VectorItem): void {
  removeItem(database, collection, item.key);
  const { lastInsertRowid } = database
    .prepare('INSERT INTO items (collection, key, text, metadata) VALUES (?, ?, ?, ?)')
    .run(collection, item.key, item.text, item.metadata);
  database
    .prepare(`INSERT INTO vectors_${collection} (rowid, embedding) VALUES (?, ?)`)
    // vec0 takes integers only as rowids, and a JavaScript number is bound as a float.
    .run(BigInt(lastInsertRowid), blobOf(item.vector));
}

function removeItem(database: Database, collection: number, key: string): boolean {
  const id = database
    .prepare<[number, string], number>('SELECT id FROM items WHERE collection = ? AND key = ?')
    .pluck()
    .get(collection, key);
  if (id === undefined) return false;
  database.prepare(`DELETE FROM vectors_${collection} WHERE rowid = ?`).run(BigInt(id));
  database.prepare('DELETE FROM items WHERE id = ?').run(id);
  return true;
}
