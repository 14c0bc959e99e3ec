/** `rma workers` and `rma worker …`: shows and manages the machines of the pool. */
import type { WorkerView } from '@rma/protocol/view';
import { type Command, Option } from 'commander';
import type { Client } from '../client.js';
import { UsageError } from '../usage-error.js';
import { type GlobalOptions, withClient } from './connect.js';
import { formatDuration, formatTime } from './duration.js';
import { addLogCommand } from './log-command.js';
import { plainLine } from './plain.js';
import { table } from './table.js';
import { colouredState } from './task-commands.js';
import { print, printError, printJson, printStatus } from './terminal.js';

const WORKER_ID = 'the id that `rma workers` shows, such as w-3k9f';

export function addWorkerCommands(program: Command, finish: (status: number) => void): void {
  program
    .command('workers')
    .description('Lists the workers with tier, reasons, services and load.')
    .addHelpText('after', '\nExample:\n  rma workers')
    .action(async (_: unknown, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions>();
      finish(await withClient(options, async (client) => listWorkers(await client.workers(), options)));
    });

  const worker = program
    .command('worker')
    .description('Shows or manages one worker.')
    .addHelpText('after', '\nExamples:\n  rma worker show w-3k9f\n  rma worker pin w-3k9f --tier 2');

  worker
    .command('show')
    .description('Shows a worker with its hardware, reasons, services and load.')
    .argument('<id>', WORKER_ID)
    .addHelpText('after', '\nExample:\n  rma worker show w-3k9f')
    .action(async (id: string, _: unknown, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions>();
      finish(await withClient(options, (client) => showWorker(client, id, options)));
    });

  addActions(worker, finish);
  addLogCommand(worker, finish);
}

interface ActionOptions extends GlobalOptions {
  readonly tier?: string;
  readonly auto?: boolean;
  readonly off?: boolean;
}

/** The commands that change a worker and print its new state. */
function addActions(worker: Command, finish: (status: number) => void): void {
  const addAction = (
    command: Command,
    run: (client: Client, id: string, options: ActionOptions) => Promise<WorkerView>,
    describe: (view: WorkerView) => string,
  ) =>
    command.argument('<id>', WORKER_ID).action(async (id: string, _: unknown, invoked: Command) => {
      const options = invoked.optsWithGlobals<ActionOptions>();
      checkTier(invoked.name(), options);
      finish(
        await withClient(options, async (client) => {
          const view = await run(client, id, options);
          if (options.json) await printJson(view);
          else await print(plainLine(describe(view)));
          return 0;
        }),
      );
    });

  addAction(
    worker
      .command('pin')
      .description("Pins a worker's tier, or with --auto unpins it: its hardware decides again.")
      .addOption(new Option('--tier <n>', '1 GPU, 2 service, 3 data').choices(['1', '2', '3']))
      .option('--auto', 'unpin: the tier follows the hardware')
      .addHelpText('after', '\nExamples:\n  rma worker pin w-3k9f --tier 2\n  rma worker pin w-3k9f --auto'),
    (client, id, { tier }) => client.pinWorker(id, tier === undefined ? null : (Number(tier) as 1 | 2 | 3)),
    (view) => `${view.id}: ${tierName(view)}`,
  );
  addAction(
    worker
      .command('drain')
      .description('Stops giving a worker new tasks; running tasks continue.')
      .option('--off', 'resume: give it tasks again')
      .addHelpText('after', '\nExamples:\n  rma worker drain w-3k9f\n  rma worker drain w-3k9f --off'),
    (client, id, { off }) => client.drainWorker(id, off !== true),
    (view) => `${view.id} is ${view.state}, ${view.running} running`,
  );
  addAction(
    worker
      .command('revoke')
      .description('Removes a worker from the pool for good; its running tasks go to others.')
      .addHelpText('after', '\nExample:\n  rma worker revoke w-3k9f'),
    (client, id) => client.revokeWorker(id),
    (view) => `${view.id} is revoked`,
  );
}

function checkTier(command: string, { tier, auto }: ActionOptions): void {
  if (command === 'pin' && (tier === undefined) === (auto !== true)) {
    throw new UsageError('give either --tier 1, 2 or 3, or --auto');
  }
}

function tierName({ tier, pinned }: WorkerView): string {
  return `${tier === null ? 'no tier' : `tier ${tier}`}${pinned ? ' (pinned)' : ''}`;
}

function loadText({ load, hardware }: WorkerView): string {
  if (!load) return '';
  const total = hardware ? ` of ${gib(hardware.memory.totalMiB)}` : '';
  return `cpu ${Math.round(load.cpu * 100)} %, memory ${gib(load.memoryUsedMiB)}${total}`;
}

const gib = (mib: number) => `${(mib / 1_024).toFixed(1)} GiB`;

async function listWorkers(workers: readonly WorkerView[], { json }: GlobalOptions): Promise<number> {
  if (json) {
    await printJson(workers);
    return 0;
  }
  if (workers.length === 0) {
    printStatus('no workers yet: start one with `rma-worker --url … --token-file …`');
    return 0;
  }
  const rows = workers.map((view) => {
    const slots = view.services.reduce((sum, { state, slots: count }) => sum + (state === 'healthy' ? count : 0), 0);
    return [view.id, view.name, view.state, tierName(view), view.trust, `${view.running}/${slots}`, loadText(view)];
  });
  await print(table(['ID', 'NAME', 'STATE', 'TIER', 'TRUST', 'RUNNING', 'LOAD'], rows));
  for (const view of workers) {
    await print('');
    await print(`${plainLine(view.id)} ${plainLine(view.name)}`);
    for (const reason of view.reasons) await print(`  reason   ${plainLine(reason)}`);
    for (const line of serviceLines(view)) await print(`  service  ${line}`);
  }
  return 0;
}

function serviceLines({ services }: WorkerView): string[] {
  return services.map(({ name, state, runtime, kinds, slots, reason }) => {
    const why = reason === undefined ? '' : `: ${plainLine(reason)}`;
    const what = `${plainLine(name)} (${plainLine(runtime)}, ${slots} ${slots === 1 ? 'slot' : 'slots'}): ${kinds.map(plainLine).join(', ')}`;
    return `${colouredState(state)}${why}  ${what}`;
  });
}

async function showWorker(client: Client, id: string, { json }: GlobalOptions): Promise<number> {
  const view = (await client.workers()).find((worker) => worker.id === id);
  if (!view) {
    printError(`there is no worker '${id}': see \`rma workers\``);
    return 1;
  }
  if (json) {
    await printJson(view);
    return 0;
  }
  const { hardware, load, labels } = view;
  const rows = [
    ['worker', `${view.id} ${view.name}`],
    ['state', `${view.state}, ${view.running} running, last seen ${formatTime(view.lastSeenAt)}`],
    ['tier', tierName(view)],
    ...view.reasons.map((reason) => ['reason', reason]),
    ['trust', view.trust],
    ['joined', `${formatTime(view.joinedAt)} (${formatDuration(Math.max(0, Date.now() - view.joinedAt))} ago)`],
    ...(view.owner === undefined ? [] : [['owner', view.owner]]),
    ...(view.address === undefined ? [] : [['address', view.address]]),
    ...(view.agentVersion === undefined ? [] : [['agent', view.agentVersion]]),
    ...Object.entries(labels).map(([name, value]) => ['label', `${name}=${value}`]),
    ...(hardware
      ? [
          ['machine', `${hardware.os} ${hardware.arch}, ${hardware.cpu.model}, ${hardware.cpu.logicalCores} cores`],
          ['memory', gib(hardware.memory.totalMiB)],
          ['disk', `${hardware.disk.freeGiB.toFixed(0)} GiB free of ${hardware.disk.totalGiB.toFixed(0)} GiB`],
          ...hardware.gpus.map((gpu) => ['gpu', `${gpu.vendor} ${gpu.name}, ${gib(gpu.vramMiB)}`]),
          ...hardware.notes.map((note) => ['note', note]),
        ]
      : []),
    ...(load ? [['load', loadText(view)]] : []),
  ];
  for (const [name = '', value = ''] of rows) await print(`${name.padEnd(9)}${plainLine(value)}`);
  for (const line of serviceLines(view)) await print(`service  ${line}`);
  return 0;
}
