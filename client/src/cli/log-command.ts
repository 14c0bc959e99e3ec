/** `rma worker log`: the log lines of a worker's containers. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { LogLine } from '@rma/protocol/worker';
import { type Command, InvalidArgumentError } from 'commander';
import type { Client } from '../client.js';
import { type GlobalOptions, withClient } from './connect.js';
import { onInterrupt, signalStatus } from './interrupt.js';
import { plainLine } from './plain.js';
import { print, printJsonLine, printStatus } from './terminal.js';

interface LogOptions extends GlobalOptions {
  readonly lines: number;
  readonly follow?: boolean;
}

const FOLLOW_MS = 1_000;
/** Lines per poll, at most. */
const FOLLOW_LINES = 1_000;

export function addLogCommand(worker: Command, finish: (status: number) => void): void {
  worker
    .command('log')
    .description("Shows the last log lines of a worker's containers.")
    .argument('<id>', 'the id that `rma workers` shows, such as w-3k9f')
    .argument('[service]', 'only of this service')
    .option('--lines <n>', 'how many lines at most', lineCount, 100)
    .option('--follow', 'keep printing new lines until Ctrl-C')
    .addHelpText('after', '\nExamples:\n  rma worker log w-3k9f postgres\n  rma worker log w-3k9f --follow')
    .action(async (id: string, service: string | undefined, _: unknown, command: Command) => {
      const options = command.optsWithGlobals<LogOptions>();
      finish(await withClient(options, (client) => showLog(client, id, service, options)));
    });
}

function lineCount(text: string): number {
  const lines = Number(text);
  if (!/^\d+$/.test(text) || lines < 1 || lines > 1_000)
    throw new InvalidArgumentError('give a number from 1 to 1000.');
  return lines;
}

async function showLog(client: Client, id: string, service: string | undefined, options: LogOptions): Promise<number> {
  const first = await client.workerLog(id, { service, lines: options.lines });
  for (const line of first) await printLine(line, service, options);
  if (options.follow !== true) {
    if (first.length === 0) printStatus('the log is empty');
    return 0;
  }
  const stopListening = onInterrupt(signalStatus);
  try {
    let since = first.at(-1)?.at;
    for (;;) {
      await sleep(FOLLOW_MS);
      const lines = await client.workerLog(id, { service, lines: FOLLOW_LINES, since });
      for (const line of lines) await printLine(line, service, options);
      since = lines.at(-1)?.at ?? since;
    }
  } finally {
    stopListening();
  }
}

async function printLine(line: LogLine, service: string | undefined, { json }: GlobalOptions): Promise<void> {
  if (json) await printJsonLine(line);
  else await print(`${service === undefined ? `${plainLine(line.service)}  ` : ''}${plainLine(line.text)}`);
}
