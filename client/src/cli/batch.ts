/**
 * `--batch`: JSON lines, one task each: `{"kind": "echo", "input": …}`. The file is read twice, first to validate every
 * line and then to submit, so that an invalid line submits nothing and memory stays bounded. Standard input is spooled
 * to a temporary file for that.
 */
import { createReadStream, createWriteStream } from 'node:fs';
import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { pipeline } from 'node:stream/promises';
import { errorMessage } from '@rma/protocol/error';
import { valueFromJson } from '@rma/protocol/payload';
import { type Job, type SubmitOptions, taskSpec } from '../submit-options.js';
import { UsageError } from '../usage-error.js';
import type { NamedJob } from './submit-input.js';

export interface Batch {
  readonly count: number;
  jobs(): AsyncGenerator<NamedJob, void, undefined>;
  /** Removes the temporary file, if there is one. */
  dispose(): Promise<void>;
}

const FIELDS = new Set([
  'kind',
  'input',
  'id',
  'priority',
  'timeoutMs',
  'maxAttempts',
  'backoffMs',
  'ttlMs',
  'notBefore',
  'constraints',
]);

/**
 * @param kind for lines without one
 * @throws UsageError naming the first invalid line; nothing was submitted
 */
export async function openBatch(source: string, kind: string | undefined, defaults: SubmitOptions): Promise<Batch> {
  const spool = source === '-' ? await spoolStandardInput() : undefined;
  const dispose = async () => {
    if (spool) await rm(spool, { recursive: true, force: true });
  };
  const path = spool ? join(spool, 'batch.jsonl') : source;
  const jobs = () => readJobs(path, kind, defaults);
  try {
    await checkReadable(path, source);
    let count = 0;
    for await (const { job } of jobs()) {
      checkJob(job);
      count += 1;
    }
    if (count === 0) throw new UsageError(`--batch ${source}: it contains no task`);
    return { count, jobs, dispose };
  } catch (error) {
    await dispose();
    throw error;
  }
}

async function spoolStandardInput(): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'rma-batch-'));
  await pipeline(process.stdin, createWriteStream(join(directory, 'batch.jsonl'), { mode: 0o600 }));
  return directory;
}

async function checkReadable(path: string, source: string): Promise<void> {
  const found = await stat(path).catch((error: NodeJS.ErrnoException) => {
    throw new UsageError(`--batch ${source}: ${error.code === 'ENOENT' ? 'there is no such file' : error.message}`);
  });
  if (found.isDirectory()) throw new UsageError(`--batch ${source}: is a directory`);
}

function checkJob({ kind, input: _, ...options }: Job): void {
  taskSpec(kind, undefined, options);
}

async function* readJobs(
  path: string,
  kind: string | undefined,
  defaults: SubmitOptions,
): AsyncGenerator<NamedJob, void, undefined> {
  const lines = createInterface({ input: createReadStream(path), crlfDelay: Number.POSITIVE_INFINITY });
  let index = -1;
  for await (const line of lines) {
    index += 1;
    if (line.trim() === '') continue;
    try {
      const job = { ...defaults, ...jobOf(JSON.parse(line), kind) };
      checkJob(job);
      yield { index, job, bytes: line.length };
    } catch (error) {
      const why = errorMessage(error);
      throw new UsageError(`line ${index + 1} of the batch: ${why}. Nothing was submitted`);
    }
  }
}

function jobOf(line: unknown, kind: string | undefined): Job {
  if (typeof line !== 'object' || line === null || Array.isArray(line)) {
    throw new UsageError('expected an object such as {"kind": "echo", "input": {}}');
  }
  const unknown = Object.keys(line).find((field) => !FIELDS.has(field));
  if (unknown !== undefined)
    throw new UsageError(`unknown field '${unknown}'; the fields are ${[...FIELDS].join(', ')}`);
  const { input, notBefore, ...fields } = line as Record<string, unknown>;
  const job = { kind, ...fields, input: valueFromJson(input) };
  if (job.kind === undefined) throw new UsageError('`kind` is missing, and the command line gives none');
  return { ...job, ...(notBefore === undefined ? {} : { notBefore: dateOf(notBefore) }) } as unknown as Job;
}

function dateOf(value: unknown): Date {
  const date = new Date(value as string | number);
  if ((typeof value !== 'number' && typeof value !== 'string') || Number.isNaN(date.getTime())) {
    throw new UsageError('`notBefore` is neither ms since 1970 nor an ISO date');
  }
  return date;
}
