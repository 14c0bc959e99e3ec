/** `rma submit`: one task, one for each file, or one for each line of a batch. */
import type { SingleBar } from 'cli-progress';
import { type Command, InvalidArgumentError } from 'commander';
import type { Client } from '../client.js';
import { type SubmitOptions, taskSpec } from '../submit-options.js';
import { UsageError } from '../usage-error.js';
import { type Batch, openBatch } from './batch.js';
import { type GlobalOptions, withClient } from './connect.js';
import { addConstraintOptions, type ConstraintOptions, constraintsOf } from './constraint-options.js';
import { parseDurationMs } from './duration.js';
import { onInterrupt, signalStatus } from './interrupt.js';
import { plainLine } from './plain.js';
import { type JobOutcome, JobRun } from './run-jobs.js';
import { checkFiles, checkMergeable, jobsOf, type NamedJob, readInput } from './submit-input.js';
import { endLine, friendlyOutput, outputSummary } from './task-output.js';
import { coloured, print, printError, printJson, printJsonLine, printStatus, printText, write } from './terminal.js';

interface SubmitCommandOptions extends GlobalOptions, ConstraintOptions {
  readonly input?: string;
  readonly file?: readonly string[];
  readonly priority?: number;
  readonly maxAttempts?: number;
  readonly wait?: boolean;
  readonly timeout?: string;
  readonly batch?: string;
}

/** Files may have 50 MiB each. */
const FILES_WINDOW = 8;
const BATCH_WINDOW = 256;

export function addSubmitCommand(program: Command, finish: (status: number) => void): void {
  const submitCommand = program
    .command('submit')
    .summary('submit a task, or many')
    .description('Submits a task to the pool. With --wait, prints its output.')
    .argument('[kind]', 'the kind of task, for example ocr.read, document.extract, ner.extract, text.embed, echo')
    .option('--input <json>', 'the input as JSON; - reads it from standard input; {"$bytes": "<base64>"} is bytes')
    .option('--file <path...>', 'one task per file; the input gets its bytes as `file` and its name as `name`')
    .option('--priority <n>', '-100 to 100, higher runs first', parsePriority)
    .option('--max-attempts <n>', 'the task fails after this many failed attempts, 1 to 100', parseAttempts)
    .option('--timeout <duration>', 'time limit of one attempt, for example 30s or 5m')
    .option('--wait', 'wait for the result; exit status 1 if a task does not succeed')
    .option('--batch <file>', 'one task per line: {"kind": …, "input": …}; - reads standard input');
  addConstraintOptions(submitCommand);
  submitCommand
    .addHelpText(
      'after',
      `
Examples:
  rma submit ocr.read --file docs/samples/letter.png --wait
  rma submit ocr.read --file scans/*.png --wait
  rma submit ner.extract --input '{"text": "Ada Lovelace lived in London."}' --wait
  rma submit echo --input '{"delayMs": 2000}' --priority 5 --json
  rma submit llm.chat --input '{"messages": […]}' --model llama3.2 --label region=eu --wait
  rma submit --batch jobs.jsonl --wait --json > results.jsonl

A batch line: {"kind": "text.embed", "input": {"text": "hello"}, "priority": 5, "timeoutMs": 60000}. Results come as
the tasks end; their field "index" is the number of the line, from 0. If any line is invalid, nothing is submitted.`,
    )
    .action(async (kind: string | undefined, _: unknown, command: Command) => {
      finish(await submit(kind, command.optsWithGlobals<SubmitCommandOptions>()));
    });
}

function parsePriority(text: string): number {
  const priority = Number(text);
  if (!/^[+-]?\d+$/.test(text) || Math.abs(priority) > 100) {
    throw new InvalidArgumentError('give a whole number from -100 to 100.');
  }
  return priority;
}

function parseAttempts(text: string): number {
  const attempts = Number(text);
  if (!/^\d+$/.test(text) || attempts < 1 || attempts > 100) {
    throw new InvalidArgumentError('give a whole number from 1 to 100.');
  }
  return attempts;
}

async function submit(kind: string | undefined, options: SubmitCommandOptions): Promise<number> {
  const taskOptions: SubmitOptions = {
    priority: options.priority,
    maxAttempts: options.maxAttempts,
    timeoutMs: options.timeout === undefined ? undefined : parseDurationMs(options.timeout, '--timeout'),
    constraints: constraintsOf(options),
  };
  if (options.batch !== undefined) {
    if (options.input !== undefined || options.file !== undefined) {
      throw new UsageError('--batch takes its inputs from its lines: leave out --input and --file');
    }
    const batch = await openBatch(options.batch, kind, taskOptions);
    try {
      return await withClient(options, (client) => submitMany(client, batch, options, BATCH_WINDOW));
    } finally {
      await batch.dispose();
    }
  }
  if (kind === undefined)
    throw new UsageError('no kind given: put it before the options, as in rma submit ocr.read --file …');
  const paths = options.file ?? [];
  await checkFiles(paths);
  const input = await readInput(options.input);
  checkMergeable(input, paths);
  taskSpec(kind, undefined, taskOptions);
  const jobs = { count: Math.max(1, paths.length), jobs: () => jobsOf(kind, input, paths, taskOptions) };
  if (jobs.count > 1) return withClient(options, (client) => submitMany(client, jobs, options, FILES_WINDOW));
  return withClient(options, (client) => submitOne(client, jobs.jobs(), options));
}

async function submitOne(
  client: Client,
  jobs: AsyncIterable<NamedJob>,
  options: SubmitCommandOptions,
): Promise<number> {
  let status = 1;
  const run = new JobRun(client, {
    wait: options.wait === true,
    window: 1,
    onOutcome: async (outcome) => {
      status = await printOne(outcome, options);
    },
  });
  const stopListening = onInterrupt((signal) => {
    const [task] = run.inFlight;
    if (task) printInterrupted(run.accepted > 0 ? 1 : 0, `rma task ${task.id}`, `rma cancel ${task.id}`);
    return signalStatus(signal);
  });
  await run.run(jobs);
  stopListening();
  return status;
}

async function printOne({ record, result }: JobOutcome, { json, wait }: SubmitCommandOptions): Promise<number> {
  if (record.state === 'refused') {
    if (json) await printJson(record);
    printError(`refused: ${record.error?.message} (${record.error?.code})`);
    return 1;
  }
  if (!result) {
    if (json) await printJson({ id: record.id, kind: record.kind, state: record.state });
    else await print(record.id);
    if (!json && !wait && process.stderr.isTTY) printStatus(`submitted; follow it with rma watch ${record.id}`);
    return 0;
  }
  const isGood = result.state === 'succeeded';
  if (json) await printJson(record);
  else {
    if (isGood) {
      if (result.output instanceof Uint8Array && !process.stdout.isTTY) await write(result.output);
      else if (result.output instanceof Uint8Array)
        printStatus(`${result.output.length} bytes of output: redirect them to a file with > FILE`);
      else await printText(friendlyOutput(result.output));
    }
    printStatus(`task ${result.id} ${endLine(result)}`);
  }
  return isGood ? 0 : 1;
}

async function submitMany(
  client: Client,
  { count, jobs }: Pick<Batch, 'count' | 'jobs'>,
  options: SubmitCommandOptions,
  window: number,
): Promise<number> {
  const bar = options.wait ? await progressBar(count) : undefined;
  let bad = 0;
  const run = new JobRun(client, {
    wait: options.wait === true,
    window,
    onOutcome: async (outcome) => {
      const { state } = outcome.record;
      if (state !== 'succeeded' && state !== 'accepted') bad += 1;
      // On a terminal the bar is cleared while a line is written above it.
      bar?.clear();
      await printOneOfMany(outcome, options);
      bar?.step();
    },
  });
  const stopListening = onInterrupt((signal) => {
    bar?.stop();
    const left = count - run.submitted;
    if (left > 0) printStatus(`${left} of ${count} tasks were not submitted.`);
    printInterrupted(run.accepted, 'rma tasks', 'rma cancel ID');
    return signalStatus(signal);
  });
  try {
    await run.run(jobs());
  } finally {
    stopListening();
    bar?.stop();
  }
  if (bad > 0) printError(`${bad} of ${count} tasks did not succeed`);
  return bad > 0 ? 1 : 0;
}

async function printOneOfMany(
  { job, record, result }: JobOutcome,
  { json, wait }: SubmitCommandOptions,
): Promise<void> {
  const { index, name } = job;
  if (json) {
    const fields =
      wait || record.state === 'refused' ? record : { id: record.id, kind: record.kind, state: record.state };
    await printJsonLine({ index, ...(name === undefined ? {} : { file: name }), ...fields });
    return;
  }
  const title = plainLine(name ?? `line ${index + 1}`);
  if (!result) {
    const outcome = record.error ? `refused: ${record.error.message} (${record.error.code})` : record.id;
    await print(`${title}  ${plainLine(outcome)}`);
  } else if (result.state === 'succeeded') {
    await print(`${title}  ${coloured('succeeded', 'green')}  ${plainLine(outputSummary(result.output))}`);
  } else
    await print(
      `${title}  ${coloured(result.state, 'red')}  ${plainLine(result.error.message)} (${plainLine(result.error.code)})`,
    );
}

function printInterrupted(accepted: number, find: string, cancel: string): void {
  if (accepted === 0)
    printStatus(
      'Interrupted before the coordinator confirmed a task. If it accepted one, that continues: see `rma tasks`.',
    );
  else printStatus(`Submitted tasks continue. See them with \`${find}\`, cancel with \`${cancel}\`.`);
}

interface Bar {
  clear(): void;
  step(): void;
  stop(): void;
}

/** Only on a terminal: the bar goes to standard error, the results to standard output. */
async function progressBar(total: number): Promise<Bar | undefined> {
  if (!process.stderr.isTTY) return undefined;
  const { default: progress } = await import('cli-progress');
  const bar: SingleBar = new progress.SingleBar(
    {
      stream: process.stderr,
      format: '{bar} {value}/{total}  {duration_formatted}',
      hideCursor: true,
      clearOnComplete: true,
    },
    progress.Presets.shades_classic,
  );
  bar.start(total, 0);
  return {
    clear: () => {
      if (process.stdout.isTTY) process.stderr.write('\r\u001b[2K');
    },
    step: () => {
      bar.increment();
      bar.render();
    },
    stop: () => bar.stop(),
  };
}
