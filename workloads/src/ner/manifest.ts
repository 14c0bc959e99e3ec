/** `ner.extract`: people, organisations, places, dates and money in a text. */
import {
  COUNT,
  defineWorkload,
  inputOf,
  listOf,
  NUMBER,
  outputOf,
  STRING,
  statelessDefaults,
  textOf,
} from '../manifest.js';

/** About 25 s of a core. */
export const MAX_CHARACTERS = 500_000;

/** Memory: idle 109 MiB, 500,000 characters 173. Time for those: 25 s of a core, 60 s of a busy one. */
export const ner = defineWorkload({
  name: 'ner',
  host: 'processes',
  slots: 'cores',
  memoryMiB: 384,
  defaultTimeoutMs: 180_000,
  kinds: {
    'ner.extract': {
      about: 'Finds people, organisations, places, dates and amounts of money in a text.',
      input: inputOf({ text: textOf(MAX_CHARACTERS) }, ['text']),
      output: outputOf({
        entities: listOf(
          outputOf({
            type: { enum: ['person', 'organisation', 'place', 'date', 'money'] },
            text: STRING,
            start: COUNT,
            end: COUNT,
            normal: { anyOf: [STRING, outputOf({ amount: NUMBER, currency: STRING })] },
          }),
        ),
      }),
      examples: [
        {
          input: {
            text: 'Margaret Whitfield of Harbour Trust met the council in Bristol on 4 March 2025 about a grant of £12,500.',
          },
        },
        { input: { text: 'Dr Amara Okafor paid £1,250 to Acme Ltd in Leeds on 3 May 2025.' } },
      ],
      form: { group: 'Text', mode: 'text' },
    },
  },
  catalog: statelessDefaults('ner', 'People, places, organisations, dates and amounts in a text', 768),
});
