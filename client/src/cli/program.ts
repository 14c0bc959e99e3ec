/** The `rma` command: its options, its commands, and the exit status that each run ends with. */
import { errorMessage, ProtocolError } from '@rma/protocol/error';
import { Command, CommanderError, Option } from 'commander';
import { UsageError } from '../usage-error.js';
import { CLIENT_VERSION } from '../version.js';
import { commandsFor } from './command-groups.js';
import { printError } from './terminal.js';

const DEFAULT_URL = 'http://127.0.0.1:8080';
const USAGE_STATUS = 2;

/** 0: success. 1: failure. 2: wrong usage. 130: Ctrl-C. */
export async function run(args: readonly string[]): Promise<number> {
  let status = 0;
  const finish = (ended: number) => {
    status = ended;
  };
  const program = makeProgram();
  for (const add of await commandsFor(args)) add(program, finish);
  try {
    await program.parseAsync(args, { from: 'user' });
    return status;
  } catch (error) {
    // Commander has printed the problem.
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : USAGE_STATUS;
    const isUsage = error instanceof UsageError || (error instanceof ProtocolError && error.kind === 'invalid');
    printError(errorMessage(error));
    return isUsage ? USAGE_STATUS : 1;
  }
}

function makeProgram(): Command {
  const program = new Command('rma')
    .description('Submits tasks to an RMA Pool, and shows and manages the pool.')
    .version(CLIENT_VERSION, '-V, --version')
    .addOption(new Option('--url <url>', 'the address of the coordinator').env('RMA_URL').default(DEFAULT_URL))
    .addOption(
      new Option('--token <token>', 'a client or admin token; else admin.token in RMA_DATA or ./data').env('RMA_TOKEN'),
    )
    .option('--json', 'print JSON for programs')
    .option('--insecure', 'allow plain http to another machine: anybody on the network path can read the token')
    .configureHelp({ showGlobalOptions: true })
    .showHelpAfterError('(--help shows how)')
    .exitOverride()
    .addHelpText(
      'after',
      `
Examples:
  rma submit ocr.read --file docs/samples/letter.png --wait
  rma workers
  rma task ID                     its state, and why it waits
  rma events --follow
  rma token create --role join --owner alice
  rma join-command --docker       the command that joins another machine

Exit status: 0 success, 1 failure, 2 wrong usage, 130 Ctrl-C.`,
    );
  return program;
}
