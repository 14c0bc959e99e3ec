/** `text.split`: a text into passages of whole sentences. */
import { COUNT, defineWorkload, inputOf, listOf, outputOf, STRING, textOf } from '../manifest.js';

export const MAX_CHARACTERS = 500_000;
/** Below, most sentences would be cut. */
export const LEAST_PASSAGE_CHARACTERS = 100;
/** As much as `text.embed` takes. */
export const MOST_PASSAGE_CHARACTERS = 16_000;
export const DEFAULT_PASSAGE_CHARACTERS = 1_000;

/** Memory: idle 44 MiB; 500,000 characters 65, 203 of one-letter lines or paragraphs. Time for those: 0.6 s, and 6 s. */
export const split = defineWorkload({
  name: 'split',
  host: 'processes',
  slots: 'cores',
  memoryMiB: 384,
  defaultTimeoutMs: 60_000,
  kinds: {
    'text.split': {
      about: 'Cuts a text into passages of whole sentences, to be embedded, searched or cited one by one.',
      input: inputOf(
        {
          text: textOf(MAX_CHARACTERS),
          maxCharacters: {
            type: ['integer', 'null'],
            minimum: LEAST_PASSAGE_CHARACTERS,
            maximum: MOST_PASSAGE_CHARACTERS,
            default: DEFAULT_PASSAGE_CHARACTERS,
            description: 'no passage is longer, in UTF-16 code units',
          },
        },
        ['text'],
      ),
      output: outputOf({
        passages: listOf(outputOf({ text: STRING, start: COUNT, end: COUNT })),
      }),
      examples: [{ input: { text: 'The library opens at nine on weekdays. On Sundays it is closed.' } }],
      form: { group: 'Text', mode: 'text' },
    },
  },
});
