/** `rag.*`: documents in, cited passages out, and an answer where the worker has an LLM. */
import {
  ANY_MAP,
  BYTES,
  COUNT,
  defineWorkload,
  inputOf,
  listOf,
  NAME_AND_TYPE,
  outputOf,
  STRING,
  taskServerContainer,
  textOf,
} from '../manifest.js';
import { COLLECTION, DELETED, deletionOf, KEY } from '../storage/collection-schemas.js';

export const MAX_DOCUMENTS = 1_000;
/** All documents of a task together: about eight minutes of a core. */
export const MAX_TOTAL_CHARACTERS = 500_000;
export const MAX_QUESTION_CHARACTERS = 4_000;
export const MAX_TOP = 50;
export const DEFAULT_TOP = 5;

const PLACE = { type: 'integer', minimum: 1 };
const DOCUMENT = {
  type: 'object',
  properties: {
    id: KEY,
    title: textOf(1_024),
    text: textOf(MAX_TOTAL_CHARACTERS),
    bytes: BYTES,
    ...NAME_AND_TYPE,
    metadata: ANY_MAP,
  },
  required: ['id'],
  oneOf: [{ required: ['text'] }, { required: ['bytes'] }],
};
const PASSAGE = outputOf(
  {
    document: STRING,
    title: STRING,
    text: STRING,
    offsets: outputOf({ start: COUNT, end: COUNT }),
    score: { type: 'number', minimum: 0, maximum: 1 },
    ranks: outputOf({}, { vector: PLACE, text: PLACE }),
  },
  { metadata: ANY_MAP },
);
const HANDBOOK = 'handbook';

/** Memory was not measured at the limits: what its parts (document, embed) need, with room for SQLite. */
export const rag = defineWorkload({
  name: 'rag',
  host: 'processes',
  slots: 'cores',
  memoryMiB: 1_280,
  defaultTimeoutMs: 1_200_000,
  keepsData: true,
  usesLlm: true,
  kinds: {
    'rag.ingest': {
      about: 'Puts documents into a collection, to be asked about later. The same document twice does no harm.',
      input: inputOf(
        { collection: COLLECTION, documents: listOf(DOCUMENT, { minItems: 1, maxItems: MAX_DOCUMENTS }) },
        ['collection', 'documents'],
      ),
      output: outputOf({
        collection: STRING,
        ingested: listOf(STRING),
        unchanged: listOf(STRING),
        passages: COUNT,
        model: STRING,
      }),
      examples: [
        {
          input: {
            collection: HANDBOOK,
            documents: [
              {
                id: 'opening-hours',
                title: 'Opening hours',
                text: 'The library is open from nine to five on weekdays.',
              },
            ],
          },
        },
      ],
      form: { group: 'Retrieval', mode: 'json' },
    },
    'rag.query': {
      about: 'Finds the passages of a collection that answer a question, and cites them.',
      input: inputOf(
        {
          collection: COLLECTION,
          question: textOf(MAX_QUESTION_CHARACTERS),
          topK: { type: 'integer', minimum: 1, maximum: MAX_TOP, default: DEFAULT_TOP },
          answer: { type: 'boolean', description: 'false: passages alone, also where the worker has an LLM' },
        },
        ['collection', 'question'],
      ),
      output: outputOf(
        { passages: listOf(PASSAGE), answeredBy: { enum: ['passages', 'llm'] } },
        { answer: STRING, citations: listOf(PLACE), model: STRING, reason: STRING },
      ),
      examples: [{ input: { collection: HANDBOOK, question: 'When does the library open?' } }],
      form: { group: 'Retrieval', mode: 'json' },
    },
    'rag.delete': {
      about: 'Takes documents out of a collection.',
      input: deletionOf('documents', MAX_DOCUMENTS),
      output: DELETED,
      examples: [{ input: { collection: HANDBOOK, documents: ['opening-hours'] } }],
      form: { group: 'Retrieval', mode: 'json' },
    },
    'rag.collections': {
      about: 'Lists the collections of documents that there are.',
      input: {},
      output: outputOf({ collections: listOf(ANY_MAP) }),
      examples: [{ input: {} }],
      form: { group: 'Retrieval', mode: 'json' },
    },
  },
  catalog: {
    title: 'Documents in, questions answered with the passages that say so',
    prefer: 'embedded',
    tier: 2,
    trust: 'trusted',
    stateful: true,
    slots: 2,
    replicas: { floor: 1, ceiling: 1 },
    container: {
      ...taskServerContainer('rag', { slots: 2, memoryMiB: 1_536, diskMiB: 4_000 }),
      volumes: [{ name: 'collections', path: '/var/lib/rma-worker' }],
    },
  },
});
