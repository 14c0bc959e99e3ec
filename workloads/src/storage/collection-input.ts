/** Names of collections, documents and items, and metadata, as `rag.*` and `vector.*` take them. */
import { describe, invalid } from '../input.js';
import { MAX_KEY_CHARACTERS } from './collection-schemas.js';

const NAME = /^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$/;
const MAX_METADATA_CHARACTERS = 8_192;

/** A collection's name. */
export function asCollection(value: unknown): string {
  if (typeof value === 'string' && NAME.test(value)) return value;
  const got = typeof value === 'string' ? `'${value.slice(0, 80)}'` : describe(value);
  throw invalid('input.collection', `expected a name of up to 64 letters, digits, '.', '_' and '-', got ${got}`);
}

/** The id that the sender gives to a document or item: what is sent again under the same id replaces it. */
export function asKey(value: unknown, path: string): string {
  if (typeof value === 'string' && value !== '' && value.length <= MAX_KEY_CHARACTERS) return value;
  throw invalid(path, `expected an id of 1 to ${MAX_KEY_CHARACTERS} characters, got ${describe(value)}`);
}

/** Metadata as JSON, or null where there is none. */
export function asMetadata(value: unknown, path: string): string | null {
  if (value === undefined || value === null) return null;
  if (typeof value !== 'object' || Array.isArray(value) || value instanceof Uint8Array) {
    throw invalid(path, `expected a map, got ${describe(value)}`);
  }
  const json = JSON.stringify(value);
  if (json.length <= MAX_METADATA_CHARACTERS) return json;
  throw invalid(path, `expected at most ${MAX_METADATA_CHARACTERS} characters of JSON, got ${json.length}`);
}
