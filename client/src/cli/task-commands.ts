/** `rma task`, `rma tasks`, `rma cancel`, `rma watch`: existing tasks. */
import { valueToJson } from '@rma/protocol/payload';
import { TASK_STATES, type TaskState } from '@rma/protocol/task-state';
import type { TaskDetail, TaskView } from '@rma/protocol/view';
import { type Command, InvalidArgumentError, Option } from 'commander';
import type { Client } from '../client.js';
import type { TaskHandle } from '../task.js';
import { type GlobalOptions, withClient } from './connect.js';
import { formatDuration, formatTime } from './duration.js';
import { onInterrupt, signalStatus } from './interrupt.js';
import { plainJson, plainLine } from './plain.js';
import { table } from './table.js';
import { endLine, friendlyOutput, resultRecord } from './task-output.js';
import { coloured, print, printJson, printJsonLine, printStatus, printText, write } from './terminal.js';

const TASK_ID = 'the id that `rma submit` printed';

export function addTaskCommands(program: Command, finish: (status: number) => void): void {
  program
    .command('task')
    .description('Shows a task: its state, its attempts and, while it waits, the reason.')
    .argument('<id>', TASK_ID)
    .addHelpText('after', '\nExample:\n  rma task 0198a3c2-5b7e-7c41-9d55-0a1b2c3d4e5f')
    .action(async (id: string, _: unknown, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions>();
      finish(await withClient(options, async (client) => showTask(await client.task(id), options)));
    });

  program
    .command('tasks')
    .description('Lists tasks, the newest first.')
    .addOption(new Option('--state <state>', 'only those in this state').choices(TASK_STATES))
    .option('--kind <kind>', 'only those of this kind')
    .option('--limit <n>', 'how many at most', parseLimit, 50)
    .option('--before <id>', 'only tasks before this one, for the next page')
    .addHelpText('after', '\nExamples:\n  rma tasks\n  rma tasks --state failed --kind ocr.read --limit 200')
    .action(async (_: unknown, command: Command) => {
      const options = command.optsWithGlobals<
        GlobalOptions & { state?: TaskState; kind?: string; limit: number; before?: string }
      >();
      const { state, kind, limit, before } = options;
      finish(
        await withClient(options, async (client) =>
          listTasks(await client.tasks({ state, kind, limit, before }), options),
        ),
      );
    });

  program
    .command('cancel')
    .description('Cancels a task, queued or running.')
    .argument('<id>', TASK_ID)
    .addHelpText('after', '\nExample:\n  rma cancel 0198a3c2-5b7e-7c41-9d55-0a1b2c3d4e5f')
    .action(async (id: string, _: unknown, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions>();
      finish(await withClient(options, (client) => cancelTask(client, id, options)));
    });

  program
    .command('watch')
    .description('Follows a task: its state changes, its streamed output and its result.')
    .argument('<id>', TASK_ID)
    .addHelpText(
      'after',
      '\nExample:\n  rma watch 0198a3c2-5b7e-7c41-9d55-0a1b2c3d4e5f\n\nExit status 1 if the task does not succeed. Ctrl-C leaves the task running.',
    )
    .action(async (id: string, _: unknown, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions>();
      finish(await withClient(options, (client) => watchTask(client, id, options)));
    });
}

function parseLimit(text: string): number {
  const limit = Number(text);
  if (!/^\d+$/.test(text) || limit < 1 || limit > 1_000)
    throw new InvalidArgumentError('give a number from 1 to 1000.');
  return limit;
}

export function colouredState(state: string): string {
  const colour = /^(succeeded|online|healthy|running)$/.test(state)
    ? 'green'
    : /^(failed|expired|offline|revoked|unhealthy)$/.test(state)
      ? 'red'
      : 'yellow';
  return coloured(plainLine(state), colour);
}

async function showTask(task: TaskDetail, { json }: GlobalOptions): Promise<number> {
  if (json) {
    await printJson(task);
    return 0;
  }
  const { worker, endedAt, startedAt, outputBytes } = task;
  const lines = [
    `task       ${plainLine(task.id)}`,
    `kind       ${plainLine(task.kind)}`,
    `state      ${colouredState(task.state)}${worker ? ` on ${plainLine(worker)}` : ''}`,
    ...(task.waiting ? [`waiting    ${plainLine(task.waiting)}`] : []),
    ...(task.error ? [`error      ${plainLine(`${task.error.message} (${task.error.code})`)}`] : []),
    `submitted  ${formatTime(task.submittedAt)} by ${plainLine(task.owner)}`,
    ...(task.dueAt ? [`due        ${formatTime(task.dueAt)}`] : []),
    ...(startedAt ? [`started    ${formatTime(startedAt)}`] : []),
    ...(endedAt
      ? [`ended      ${formatTime(endedAt)}, ${formatDuration(endedAt - task.submittedAt)} after submission`]
      : []),
    `priority   ${task.priority}`,
    ...(task.constraints ? [`needs      ${plainJson(task.constraints)}`] : []),
    `input      ${task.inputBytes} bytes`,
    ...(outputBytes === undefined
      ? []
      : [`output     ${outputBytes} bytes (rma watch ${plainLine(task.id)} prints it)`]),
  ];
  await print(lines.join('\n'));
  for (const { attempt, worker: on, startedAt: from, endedAt: to, error } of task.attempts) {
    const took = to === undefined ? 'running' : `took ${formatDuration(to - from)}`;
    const why = error ? `: ${error.message} (${error.code})` : '';
    await print(plainLine(`attempt ${attempt}  ${formatTime(from)} on ${on ?? 'no worker'}, ${took}${why}`));
  }
  return 0;
}

async function listTasks(tasks: readonly TaskView[], { json }: GlobalOptions): Promise<number> {
  if (json) await printJson(tasks);
  else if (tasks.length === 0) printStatus('no matching tasks');
  else {
    const rows = tasks.map((task) => [
      task.id,
      task.kind,
      task.state,
      task.worker ?? '',
      formatTime(task.submittedAt),
      task.endedAt === undefined ? '' : formatDuration(task.endedAt - task.submittedAt),
      task.error ? `${task.error.code}: ${task.error.message}` : '',
    ]);
    await print(table(['ID', 'KIND', 'STATE', 'WORKER', 'SUBMITTED', 'TOOK', 'ERROR'], rows));
  }
  return 0;
}

async function cancelTask(client: Client, id: string, { json }: GlobalOptions): Promise<number> {
  await client.cancel(id);
  if (json) await printJson({ id, state: 'cancelled' });
  else await print(`${id} cancelled`);
  return 0;
}

async function watchTask(client: Client, id: string, { json }: GlobalOptions): Promise<number> {
  const { kind } = await client.task(id);
  const task = client.watch(id);
  const stopListening = onInterrupt((signal) => {
    printStatus(`The task continues. Follow it with \`rma watch ${id}\`, cancel it with \`rma cancel ${id}\`.`);
    return signalStatus(signal);
  });
  const chunks = followChunks(task, json === true);
  const changes = followChanges(task, json === true);
  await task.accepted;
  client.offlineTimeoutMs = undefined;
  const [result] = await Promise.all([task.result(), chunks, changes]);
  stopListening();
  if (json) await printJsonLine({ type: 'ended', ...resultRecord(result), kind });
  else {
    if (result.state === 'succeeded') {
      if (result.output instanceof Uint8Array && !process.stdout.isTTY) await write(result.output);
      else await printText(friendlyOutput(result.output));
    }
    printStatus(`task ${id} ${endLine(result)}`);
  }
  return result.state === 'succeeded' ? 0 : 1;
}

async function followChunks(task: TaskHandle, json: boolean): Promise<void> {
  for await (const { attempt, chunk, data } of task) {
    if (json) await printJsonLine({ type: 'chunk', attempt, chunk, data: valueToJson(data) ?? null });
    else await printText(typeof data === 'string' ? data : plainJson(valueToJson(data) ?? null));
  }
}

async function followChanges(task: TaskHandle, json: boolean): Promise<void> {
  let previous = '';
  for await (const { task: _, ...change } of task.changes) {
    if (json) {
      await printJsonLine({ type: 'changed', ...change });
      continue;
    }
    const where = change.worker === undefined ? '' : ` on ${change.worker}`;
    const progress = change.fraction === undefined ? '' : `, ${Math.round(change.fraction * 100)} %`;
    const why = change.error ? ` after ${change.error.message} (${change.error.code})` : '';
    const line = `${change.state}${where}${progress}${change.note ? `: ${change.note}` : ''}${why}`;
    if (line !== previous) printStatus(line);
    previous = line;
  }
}
