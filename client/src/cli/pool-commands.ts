/** `rma stats`, `rma kinds` and `rma events`: the pool's figures, as a whole and by kind, and its event log. */
import type { PoolEvent } from '@rma/protocol/event';
import type { KindView, StatsView } from '@rma/protocol/view';
import { type Command, InvalidArgumentError } from 'commander';
import type { Client } from '../client.js';
import { type GlobalOptions, withClient } from './connect.js';
import { formatDuration, formatTime } from './duration.js';
import { onInterrupt, signalStatus } from './interrupt.js';
import { plainJson, plainLine } from './plain.js';
import { table } from './table.js';
import { coloured, print, printJson, printJsonLine } from './terminal.js';

interface EventsCommandOptions extends GlobalOptions {
  readonly since?: number;
  readonly follow?: boolean;
}

interface KindsCommandOptions extends GlobalOptions {
  readonly follow?: boolean;
}

/** Events that `rma events` shows without --since. */
const RECENT_EVENTS = 100;

export function addPoolCommands(program: Command, finish: (status: number) => void): void {
  program
    .command('stats')
    .description('Shows the figures of the pool: workers, tasks, sessions, storage.')
    .addHelpText('after', '\nExample:\n  rma stats --json')
    .action(async (_: unknown, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions>();
      finish(await withClient(options, async (client) => showStats(await client.stats(), options)));
    });

  program
    .command('kinds')
    .description('Lists the kinds of tasks: how many wait and run, how many workers serve them, the mean run time.')
    .option('--follow', 'keep printing the list whenever it changes until Ctrl-C')
    .addHelpText('after', '\nExamples:\n  rma kinds\n  rma kinds --follow --json')
    .action(async (_: unknown, command: Command) => {
      const options = command.optsWithGlobals<KindsCommandOptions>();
      finish(await withClient(options, (client) => showKinds(client, options)));
    });

  program
    .command('events')
    .description(`Lists the events of the pool, by default the last ${RECENT_EVENTS}.`)
    .option('--since <n>', 'all events after this number; 0 for all that are stored', parseSince)
    .option('--follow', 'keep printing new events until Ctrl-C')
    .addHelpText('after', '\nExamples:\n  rma events --follow\n  rma events --since 1200 --json')
    .action(async (_: unknown, command: Command) => {
      const options = command.optsWithGlobals<EventsCommandOptions>();
      finish(await withClient(options, (client) => showEvents(client, options)));
    });
}

function parseSince(text: string): number {
  const since = Number(text);
  if (!/^\d+$/.test(text) || !Number.isSafeInteger(since))
    throw new InvalidArgumentError('give the number of an event, from 0.');
  return since;
}

function tierCounts(byTier: Readonly<Record<string, number>>): Record<string, number> {
  return Object.fromEntries(
    Object.entries(byTier).map(([tier, count]) => [tier === 'none' ? 'no tier' : `tier ${tier}`, count]),
  );
}

async function showStats(stats: StatsView, { json }: GlobalOptions): Promise<number> {
  if (json) {
    await printJson(stats);
    return 0;
  }
  const { workers, tasks, storage } = stats;
  const counts = (of: Readonly<Record<string, number>>) =>
    Object.entries(of)
      .map(([name, count]) => `${name}: ${count}`)
      .join(', ') || 'none';
  const lines = [
    `coordinator  ${stats.version}, ${stats.transport}, up ${formatDuration(stats.uptimeSeconds * 1_000)}`,
    `workers      ${workers.online} of ${workers.total} online; ${counts(tierCounts(workers.byTier))}`,
    `tasks        ${tasks.queued} queued, ${tasks.running} running; ${counts(tasks.byState)}`,
    `waiting      ${counts(tasks.queuedByKind)}`,
    `sessions     ${counts(stats.sessions)}`,
    `storage      ${storage.state}, ${(storage.bytes / 1_048_576).toFixed(1)} MiB`,
    `last event   ${stats.lastEvent}`,
  ];
  await print(lines.map(plainLine).join('\n'));
  return 0;
}

async function showKinds(client: Client, { follow, json }: KindsCommandOptions): Promise<number> {
  if (!follow) {
    const kinds = await client.kinds();
    await (json ? printJson(kinds) : print(kindsTable(kinds)));
    return 0;
  }
  // Ctrl-C is the regular end of --follow.
  const stopListening = onInterrupt((signal) => (signal === 'SIGINT' ? 0 : signalStatus(signal)));
  await client.ready();
  client.offlineTimeoutMs = undefined;
  for await (const { kinds } of client.liveKinds()) {
    await (json ? printJsonLine(kinds) : print(`${kindsTable(kinds)}\n`));
  }
  stopListening();
  return 0;
}

function kindsTable(kinds: readonly KindView[]): string {
  const rows = kinds.map(({ kind, queued, running, workers, meanRunMs }) => {
    const meanRun = meanRunMs === undefined ? '' : formatDuration(meanRunMs);
    return [kind, `${queued}`, `${running}`, `${workers}`, meanRun];
  });
  return table(['KIND', 'QUEUED', 'RUNNING', 'WORKERS', 'MEAN RUN'], rows);
}

async function showEvents(client: Client, { since, follow, json }: EventsCommandOptions): Promise<number> {
  // Ctrl-C is the regular end of --follow.
  const stopListening = onInterrupt((signal) => (follow && signal === 'SIGINT' ? 0 : signalStatus(signal)));
  const from = since ?? (follow ? undefined : Math.max(0, (await client.stats()).lastEvent - RECENT_EVENTS));
  if (follow) {
    await client.ready();
    client.offlineTimeoutMs = undefined;
  }
  for await (const event of client.events({ since: from, follow })) {
    if (json) await printJsonLine(event);
    else await print(eventLine(event));
  }
  stopListening();
  return 0;
}

function eventLine({ seq, at, type, subject, data }: PoolEvent): string {
  const fields = Object.entries(data ?? {}).map(
    ([name, value]) => `${name}=${typeof value === 'string' ? value : plainJson(value)}`,
  );
  const about = subject === undefined ? '' : ` ${subject}`;
  return `${coloured(`${seq} ${formatTime(at)}`, 'dim')} ${plainLine(`${type}${about} ${fields.join(' ')}`.trimEnd())}`;
}
