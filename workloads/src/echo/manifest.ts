/** `echo`: gives back its input, for tests and first steps. */
import { defineWorkload } from '../manifest.js';

export const MAX_DELAY_MS = 24 * 3_600_000;
export const MAX_CHUNKS = 100_000;

export const echo = defineWorkload({
  name: 'echo',
  host: 'agent',
  slots: 256,
  memoryMiB: 0,
  defaultTimeoutMs: 60_000,
  kinds: {
    echo: {
      about: 'Gives back what it gets, in pieces and over a time of your choice: for trying the pool itself.',
      input: {
        description: 'any value; the fields below are honoured where it is a map',
        properties: {
          delayMs: { type: ['integer', 'null'], minimum: 0, maximum: MAX_DELAY_MS },
          chunks: { type: ['integer', 'null'], minimum: 0, maximum: MAX_CHUNKS },
          fail: { type: ['string', 'null'], description: 'the message to fail with, after the delay and the chunks' },
          retryable: { type: 'boolean', description: 'whether that failure may be tried again; default true' },
        },
      },
      output: { description: 'the input' },
      examples: [{ input: { hello: 'pool', chunks: 5, delayMs: 2_000 } }],
      form: { group: 'First steps', mode: 'json' },
    },
  },
});
