/**
 * The table `collections` of a workload's file: a name, and what all of the collection's vectors have in common. `rag.*`
 * and `vector.*` share it; their other tables differ.
 */
import { TaskError } from '../runtime.js';
import type { Database } from './sqlite.js';

/** What all vectors of a collection have in common. `model` is null where the sender made them. */
export interface VectorSpace {
  readonly dimensions: number;
  readonly model: string | null;
}

export interface Collection<Space extends VectorSpace = VectorSpace> {
  readonly id: number;
  readonly name: string;
  readonly model: Space['model'];
  readonly dimensions: number;
}

const MOST_COLLECTIONS = 1_000;

export function findCollection<Space extends VectorSpace>(
  database: Database,
  name: string,
): Collection<Space> | undefined {
  return database
    .prepare<[string], Collection<Space>>('SELECT id, name, model, dimensions FROM collections WHERE name = ?')
    .get(name);
}

/**
 * @param filling what makes it: "Send documents to it with rag.ingest"
 * @throws TaskError that names those that are there
 */
export function requireCollection<Space extends VectorSpace>(
  database: Database,
  name: string,
  filling: string,
): Collection<Space> {
  const collection = findCollection<Space>(database, name);
  if (collection !== undefined) return collection;
  const names = database.prepare<[], string>('SELECT name FROM collections ORDER BY name LIMIT 10').pluck().all();
  const there = names.length === 0 ? 'it has none yet' : `it has ${names.join(', ')}`;
  throw new TaskError(
    'collection.unknown',
    `there is no collection '${name}' on this worker; ${there}. ${filling} first.`,
  );
}

/**
 * Makes the row; the tables of its contents are the caller's.
 * @param deleting the kind that makes room: "rag.delete"
 */
export function createCollection<Space extends VectorSpace>(
  database: Database,
  name: string,
  { model, dimensions }: Space,
  deleting: string,
  now: number,
): Collection<Space> {
  const count = database.prepare<[], number>('SELECT count(*) FROM collections').pluck().get() ?? 0;
  if (count >= MOST_COLLECTIONS) {
    const message = `this worker holds ${count} collections, as many as it takes. Delete one (${deleting} with all: true).`;
    throw new TaskError('collection.limit', message);
  }
  const { lastInsertRowid } = database
    .prepare('INSERT INTO collections (name, model, dimensions, changed_at) VALUES (?, ?, ?, ?)')
    .run(name, model, dimensions, now);
  return { id: Number(lastInsertRowid), name, model, dimensions };
}

export function touchCollection(database: Database, id: number, now: number): void {
  database.prepare('UPDATE collections SET changed_at = ? WHERE id = ?').run(now, id);
}

/** As sqlite-vec reads a vector: 32-bit floats. */
export function blobOf(vector: readonly number[]): Buffer {
  return Buffer.from(new Float32Array(vector).buffer);
}
