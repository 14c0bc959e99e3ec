/** `container.run`: a command in a container image. The agent's container runtime serves it where the donor admits images. */
import { BOOLEAN, BYTES, COUNT, defineKinds, inputOf, listOf, outputOf, STRING } from '../manifest.js';

const content = { anyOf: [STRING, BYTES] };

export const containerKinds = defineKinds({
  'container.run': {
    about: 'Runs a command in a container image that a donor admits, with files in and out.',
    input: inputOf(
      {
        image: { type: 'string', minLength: 1 },
        digest: STRING,
        command: listOf({ type: 'string', maxLength: 16_384 }, { minItems: 1, maxItems: 256 }),
        env: { type: 'object', additionalProperties: { type: 'string', maxLength: 16_384 } },
        files: listOf(
          inputOf({ path: { type: 'string', minLength: 1, maxLength: 255 }, content }, ['path', 'content']),
          {
            maxItems: 1_000,
          },
        ),
        outputs: listOf({ type: 'string', minLength: 1, maxLength: 255 }, { maxItems: 100 }),
        timeoutSeconds: { type: 'number', exclusiveMinimum: 0, maximum: 86_400 },
        memoryMiB: { type: 'integer', minimum: 16 },
        cores: { type: 'number', exclusiveMinimum: 0 },
        gpu: BOOLEAN,
        check: { type: 'boolean', description: 'an exit code other than 0 fails the task' },
      },
      ['image'],
    ),
    output: outputOf({
      exitCode: { type: 'integer' },
      files: listOf(outputOf({ path: STRING, content: BYTES })),
      log: STRING,
      oomKilled: BOOLEAN,
      durationMs: COUNT,
    }),
    examples: [
      {
        input: {
          image: 'debian:trixie-slim',
          command: ['sh', '-c', 'wc -w < in.txt > out.txt; cat out.txt'],
          files: [{ path: 'in.txt', content: 'three little words' }],
          outputs: ['*.txt'],
        },
      },
    ],
    form: { group: 'Programs', mode: 'json' },
  },
});
