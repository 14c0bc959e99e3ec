/** `vector.*`: items found by their vectors, which are given or made here from texts. */

import { MAX_EMBEDDED_CHARACTERS } from '../embed/manifest.js';
import { ANY_MAP, COUNT, defineWorkload, inputOf, listOf, NUMBER, outputOf, STRING, textOf } from '../manifest.js';
import { COLLECTION, DELETED, deletionOf, KEY } from '../storage/collection-schemas.js';

export const MAX_ITEMS = 5_000;
/** sqlite-vec's own limit is 8,192. */
export const MAX_DIMENSIONS = 4_096;
/** All texts of a task together: about four minutes of a core. */
export const MAX_TEXT_CHARACTERS = 2_000_000;
export const MAX_TOP = 1_000;
export const DEFAULT_TOP = 10;

const VECTOR = listOf(NUMBER, { minItems: 1, maxItems: MAX_DIMENSIONS });
const TEXT = textOf(MAX_EMBEDDED_CHARACTERS);
const ITEM = {
  type: 'object',
  properties: { id: KEY, vector: VECTOR, text: TEXT, metadata: ANY_MAP },
  required: ['id'],
  anyOf: [{ required: ['vector'] }, { required: ['text'] }],
};
const NOTES = 'notes';

/** Memory was not measured at the limits: what its part (embed) needs, with room for SQLite. */
export const vector = defineWorkload({
  name: 'vector',
  host: 'processes',
  slots: 'cores',
  memoryMiB: 640,
  defaultTimeoutMs: 600_000,
  keepsData: true,
  kinds: {
    'vector.upsert': {
      about: 'Stores items by their vectors, or by texts that are embedded on the way.',
      input: inputOf(
        { collection: COLLECTION, items: listOf(ITEM, { minItems: 1, maxItems: MAX_ITEMS }), model: textOf(1_024) },
        ['collection', 'items'],
      ),
      output: outputOf({
        collection: STRING,
        upserted: COUNT,
        dimensions: { type: 'integer', minimum: 1 },
        model: { type: ['string', 'null'] },
      }),
      examples: [{ input: { collection: NOTES, items: [{ id: 'a', text: 'The boiler is serviced in May.' }] } }],
      form: { group: 'Vectors', mode: 'json' },
    },
    'vector.search': {
      about: 'Finds the items of a collection that are nearest to a vector or text.',
      input: {
        type: 'object',
        properties: {
          collection: COLLECTION,
          vector: VECTOR,
          text: TEXT,
          model: textOf(1_024),
          topK: { type: 'integer', minimum: 1, maximum: MAX_TOP, default: DEFAULT_TOP },
          filter: ANY_MAP,
        },
        required: ['collection'],
        oneOf: [{ required: ['vector'] }, { required: ['text'] }],
      },
      output: outputOf({
        matches: listOf(
          outputOf(
            { id: STRING, score: { type: 'number', minimum: -1, maximum: 1 } },
            { text: STRING, metadata: ANY_MAP },
          ),
        ),
      }),
      examples: [{ input: { collection: NOTES, text: 'When is the heating looked after?', topK: 3 } }],
      form: { group: 'Vectors', mode: 'json' },
    },
    'vector.delete': {
      about: 'Takes items out of a collection.',
      input: deletionOf('ids', MAX_ITEMS),
      output: DELETED,
      examples: [{ input: { collection: NOTES, ids: ['a'] } }],
      form: { group: 'Vectors', mode: 'json' },
    },
    'vector.collections': {
      about: 'Lists the collections of vectors that there are.',
      input: {},
      output: outputOf({ collections: listOf(ANY_MAP) }),
      examples: [{ input: {} }],
      form: { group: 'Vectors', mode: 'json' },
    },
  },
  catalog: {
    title: 'Collections of vectors, embedded in the agent',
    trust: 'trusted',
    stateful: true,
    replicas: { floor: 1, ceiling: 1 },
  },
});
