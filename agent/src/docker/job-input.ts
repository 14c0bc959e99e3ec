/** The input of `container.run`, checked against its schema; an error says what to write instead. Pure. */
import { plainText } from '@rma/protocol/plain-text';
import { ImageDigest, ImageName } from '@rma/protocol/workload';
import { TaskError } from '@rma/workloads/runtime';
import { type Static, Type } from 'typebox';
import { Compile } from 'typebox/compile';
import type { FileContent } from './tar.js';

const RelativePath = Type.String({
  pattern: '^(?!/)(?!.*(^|/)\\.\\.?(/|$))(?!.*//)[^\\u0000-\\u001f\\u007f\\\\]{1,255}$',
  description: 'relative to the working directory, with forward slashes, without . and ..',
});

export const ContainerRunInput = Type.Object({
  image: ImageName,
  digest: Type.Optional(ImageDigest),
  command: Type.Optional(Type.Array(Type.String({ maxLength: 16_384 }), { minItems: 1, maxItems: 256 })),
  env: Type.Optional(
    Type.Record(Type.String({ pattern: '^[A-Za-z_][A-Za-z0-9_]{0,127}$' }), Type.String({ maxLength: 16_384 }), {
      maxProperties: 128,
      additionalProperties: false,
    }),
  ),
  files: Type.Optional(Type.Array(Type.Object({ path: RelativePath, content: Type.Unknown() }), { maxItems: 1_000 })),
  outputs: Type.Optional(Type.Array(plainText(255, 1), { maxItems: 100 })),
  timeoutSeconds: Type.Optional(Type.Number({ exclusiveMinimum: 0, maximum: 86_400 })),
  memoryMiB: Type.Optional(Type.Integer({ minimum: 16, maximum: 16_777_216 })),
  cores: Type.Optional(Type.Number({ exclusiveMinimum: 0, maximum: 4_096 })),
  gpu: Type.Optional(Type.Boolean()),
  network: Type.Optional(Type.Boolean()),
  check: Type.Optional(Type.Boolean({ description: 'an exit code other than 0 fails the task' })),
});
export type ContainerRunInput = Omit<Static<typeof ContainerRunInput>, 'files'> & {
  readonly files: readonly FileContent[];
};

const check = Compile(ContainerRunInput);

/** @throws TaskError `input.invalid` */
export function readInput(input: unknown): ContainerRunInput {
  if (!check.Check(input)) {
    const [error] = check.Errors(input);
    const where = error === undefined || error.instancePath === '' ? 'the input' : `'${error.instancePath.slice(1)}'`;
    throw invalid(
      `${where} ${error?.message ?? 'is not right'}. Give {image, command?, env?, files?: [{path, content}], outputs?: [path or glob], timeoutSeconds?, memoryMiB?, cores?, gpu?}`,
    );
  }
  if (input.network === true)
    throw invalid('containers of tasks have no network here: leave `network` out, and send what is needed as files');
  return {
    ...input,
    files: (input.files ?? []).map(({ path, content }) => ({ path, content: bytesOf(path, content) })),
  };
}

function bytesOf(path: string, content: unknown): Uint8Array {
  if (content instanceof Uint8Array) return content;
  if (typeof content === 'string') return Buffer.from(content, 'utf8');
  throw invalid(`the content of '${path}' is neither bytes nor text`);
}

function invalid(message: string): TaskError {
  return new TaskError('input.invalid', `container.run: ${message}`, false);
}
