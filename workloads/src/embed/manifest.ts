/** `text.embed`: texts to unit vectors. */
import { defineWorkload, listOf, NUMBER, outputOf, STRING, statelessDefaults, textOf } from '../manifest.js';

/** On one core a text of 300 characters takes 0.06 s, one of 4,000 or 16,000 half a second; beyond, time grows fast. */
export const MAX_EMBEDDED_CHARACTERS = 16_000;
export const MAX_TEXTS = 1_000;
/** All texts of a task together: about four minutes of a core. */
export const MAX_TOTAL_CHARACTERS = 2_000_000;

const TEXT = textOf(MAX_EMBEDDED_CHARACTERS);

/** Memory: idle 171 MiB; 1,000 texts of 300 characters 299 (one to five minutes of a core), 100 of 16,000 287. */
export const embed = defineWorkload({
  name: 'embed',
  host: 'processes',
  slots: 'cores',
  memoryMiB: 512,
  defaultTimeoutMs: 600_000,
  kinds: {
    'text.embed': {
      about: 'Turns a text into a vector, so that texts of like meaning are near each other.',
      input: {
        type: 'object',
        properties: {
          text: TEXT,
          texts: listOf(TEXT, { minItems: 1, maxItems: MAX_TEXTS }),
          model: { type: ['string', 'null'], description: 'only a service that has this model takes the task' },
        },
        oneOf: [{ required: ['text'] }, { required: ['texts'] }],
      },
      output: outputOf({ model: STRING, dimensions: { type: 'integer' }, vectors: listOf(listOf(NUMBER)) }),
      examples: [
        { input: { text: 'Volunteers lend their machines at night.' } },
        { input: { texts: ['first', 'second'] } },
      ],
      form: { group: 'Text', mode: 'text' },
    },
  },
  catalog: statelessDefaults('embed', 'Embeddings of texts, small and without a GPU', 1_024),
});
