/** The tables of `vector.sqlite`: a collection's vectors are a table of their own, of its own dimension. */

export const VECTOR_MIGRATIONS: readonly string[] = [
  `
  CREATE TABLE collections (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    model TEXT,
    dimensions INTEGER NOT NULL,
    changed_at INTEGER NOT NULL
  );
  CREATE TABLE items (
    id INTEGER PRIMARY KEY,
    collection INTEGER NOT NULL REFERENCES collections(id) ON DELETE CASCADE,
    key TEXT NOT NULL,
    text TEXT,
    metadata TEXT,
    UNIQUE (collection, key)
  );
  `,
];

export function createVectorTable(id: number, dimensions: number): string {
  return `CREATE VIRTUAL TABLE vectors_${id} USING vec0(embedding float[${dimensions}] distance_metric=cosine)`;
}

export function dropVectorTable(id: number): string {
  return `DROP TABLE vectors_${id}`;
}
