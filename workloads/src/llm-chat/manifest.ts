/** `llm.chat`: a chat with a language model. The agent's endpoint, container and GGUF runtimes serve it. */
import { defineKinds, inputOf, listOf, NUMBER, outputOf, STRING } from '../manifest.js';

export const chatKinds = defineKinds({
  'llm.chat': {
    about: 'Asks a language model that some worker offers; the answer streams.',
    input: inputOf(
      {
        model: { type: ['string', 'null'] },
        messages: listOf(
          {
            type: 'object',
            properties: { role: { enum: ['system', 'developer', 'user', 'assistant', 'tool'] } },
            required: ['role'],
          },
          { minItems: 1, maxItems: 2_000 },
        ),
      },
      ['messages'],
    ),
    output: {
      type: 'object',
      properties: {
        message: {
          type: 'object',
          properties: { role: { const: 'assistant' }, content: { type: ['string', 'null'] } },
        },
        finishReason: STRING,
        model: STRING,
        usage: { type: 'object' },
        timings: outputOf({ firstTokenMs: NUMBER, totalMs: NUMBER }, { tokensPerSecond: NUMBER }),
      },
      required: ['message', 'finishReason', 'model', 'usage', 'timings'],
    },
    examples: [
      { input: { messages: [{ role: 'user', content: 'Say hello to the pool in one sentence.' }] } },
      { input: { messages: [{ role: 'user', content: 'Say hello' }], model: 'llama3.2' } },
    ],
    form: { group: 'Text', mode: 'json' },
  },
});
