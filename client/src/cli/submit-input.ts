/** The jobs of `rma submit`, from --input and --file. Everything is checked before anything is submitted. */
import { readFile, stat } from 'node:fs/promises';
import { basename } from 'node:path';
import { text } from 'node:stream/consumers';
import { errorMessage } from '@rma/protocol/error';
import { LIMITS } from '@rma/protocol/limits';
import { valueFromJson } from '@rma/protocol/payload';
import type { Job, SubmitOptions } from '../submit-options.js';
import { UsageError } from '../usage-error.js';

/** A task to submit, with the name that the output shows for it. */
export interface NamedJob {
  /** From 0, in the order of the files or of the batch's lines. */
  readonly index: number;
  readonly name?: string;
  readonly job: Job;
  /** Approximate; bounds the window in flight. */
  readonly bytes: number;
}

/** @throws UsageError for invalid JSON */
export async function readInput(input: string | undefined): Promise<unknown> {
  if (input === undefined) return undefined;
  const source = input === '-' ? 'standard input' : '--input';
  const json = input === '-' ? await text(process.stdin) : input;
  try {
    return valueFromJson(JSON.parse(json));
  } catch (error) {
    const why = errorMessage(error);
    throw new UsageError(`${source} is not JSON: ${why}. Text needs quotes inside the shell's: --input '"text"'`);
  }
}

/** @throws UsageError naming the first file that cannot be submitted */
export async function checkFiles(paths: readonly string[]): Promise<void> {
  for (const path of paths) {
    const found = await stat(path).catch((error: NodeJS.ErrnoException) => {
      const why = error.code === 'ENOENT' ? 'there is no such file' : error.message;
      throw new UsageError(`--file ${path}: ${why}`);
    });
    if (!found.isFile()) throw new UsageError(`--file ${path}: not a file. Nothing was submitted`);
    if (found.size > LIMITS.maxBlobBytes) {
      const mib = (found.size / 1_048_576).toFixed(1);
      throw new UsageError(
        `--file ${path}: ${mib} MiB exceed the limit of a task (${LIMITS.maxBlobBytes / 1_048_576} MiB)`,
      );
    }
  }
}

/** One job per file, or one without a file. Each file is read when its job is due. */
export async function* jobsOf(
  kind: string,
  input: unknown,
  paths: readonly string[],
  options: SubmitOptions,
): AsyncGenerator<NamedJob, void, undefined> {
  if (paths.length === 0) {
    yield { index: 0, job: { kind, input, ...options }, bytes: 0 };
    return;
  }
  for (const [index, path] of paths.entries()) {
    const file = new Uint8Array(await readFile(path));
    const job = { kind, input: { ...(input as object | undefined), file, name: basename(path) }, ...options };
    yield { index, name: path, job, bytes: file.length };
  }
}

/** @throws UsageError where a file cannot be added to the input */
export function checkMergeable(input: unknown, paths: readonly string[]): void {
  if (paths.length === 0 || input === undefined) return;
  if (typeof input !== 'object' || input === null || Array.isArray(input) || input instanceof Uint8Array) {
    throw new UsageError(
      '--input must be a JSON object where --file is given, because the file becomes its field `file`',
    );
  }
}
