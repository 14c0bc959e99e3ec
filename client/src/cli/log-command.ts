/** `rma worker log`: what the containers of a worker write. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { LogLine } from '@rma/protocol/worker';
import { type Command, InvalidArgumentError } from 'commander';
import type { Client } from '../client.js';
import { type GlobalOptions, withClient } from './connect.js';
import { onInterrupt, signalStatus } from './interrupt.js';
import { plainLine } from './plain.js';
import { print, printJsonLine, say } from './terminal.js';

interface LogOptions extends GlobalOptions {
  readonly lines: number;
  readonly follow?: boolean;
}

const FOLLOW_MS = 1_000;
/** A question of one second's news. */
const FOLLOW_LINES = 1_000;

export function addLogCommand(worker: Command, finish: (status: number) => void): void {
  worker
    .command('log')
    .description("Shows the end of what a worker's containers wrote.")
    .argument('<id>', 'the id that `rma workers` shows, such as w-3k9f')
    .argument('[service]', 'of this service alone')
    .option('--lines <n>', 'at most so many', lineCount, 100)
    .option('--follow', 'go on with what it writes, until Ctrl-C')
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
  for (const line of first) await tell(line, service, options);
  if (options.follow !== true) {
    if (first.length === 0) say('it has written nothing yet');
    return 0;
  }
  const unwatch = onInterrupt(signalStatus);
  try {
    let since = first.at(-1)?.at;
    for (;;) {
      await sleep(FOLLOW_MS);
      const lines = await client.workerLog(id, { service, lines: FOLLOW_LINES, since });
      for (const line of lines) await tell(line, service, options);
      since = lines.at(-1)?.at ?? since;
    }
  } finally {
    unwatch();
  }
}

async function tell(line: LogLine, service: string | undefined, { json }: GlobalOptions): Promise<void> {
  if (json) await printJsonLine(line);
  else await print(`${service === undefined ? `${plainLine(line.service)}  ` : ''}${plainLine(line.text)}`);
}
