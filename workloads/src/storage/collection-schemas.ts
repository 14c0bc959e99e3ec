/** Schemas that `rag.*` and `vector.*` share; what the handlers check is in collection-input.ts. Pure. */
import { COUNT, type JsonSchema, outputOf, STRING } from '../manifest.js';

/** Of the id of a document or item, in characters. */
export const MAX_KEY_CHARACTERS = 512;

export const COLLECTION: JsonSchema = { type: 'string', pattern: '^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$' };
export const KEY: JsonSchema = { type: 'string', minLength: 1, maxLength: MAX_KEY_CHARACTERS };
export const DELETED = outputOf({ collection: STRING, deleted: COUNT });

/** Some of a collection by their ids, or the whole. @param ids the field that lists them */
export function deletionOf(ids: string, maxItems: number): JsonSchema {
  return {
    type: 'object',
    properties: {
      collection: COLLECTION,
      [ids]: { type: 'array', items: KEY, minItems: 1, maxItems },
      all: { const: true },
    },
    required: ['collection'],
    oneOf: [{ required: [ids] }, { required: ['all'] }],
  };
}
