/** `rma-task-server`: options, one server, signals, exit status. */
import { readFileSync } from 'node:fs';
import { errorMessage } from '@rma/protocol/error';
import { Command, InvalidArgumentError } from 'commander';
import { createEmbeddedRuntime } from '../host/embedded-runtime.js';
import { createLog } from '../log.js';
import { manifestOf, manifestOfKind, WORKLOAD_NAMES } from '../manifests.js';
import { TaskServer } from './task-server.js';

const { version: VERSION } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
  readonly version: string;
};
const MIB = 1_048_576;
/** For a kind without a manifest. */
const DEFAULT_TIMEOUT_MS = 600_000;

interface Flags {
  readonly workload: string[];
  readonly host: string;
  readonly port: number;
  readonly slots?: number;
  readonly scratch?: string;
  readonly maxBodyMib: number;
  readonly grace: number;
  readonly logLevel: string;
}

function integer(minimum: number, maximum: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (!/^\d+$/.test(text) || value < minimum || value > maximum) {
      throw new InvalidArgumentError(`Give a whole number from ${minimum} to ${maximum}.`);
    }
    return value;
  };
}

function workloads(text: string): string[] {
  const names = text.split(',').map((name) => name.trim());
  const unknown = names.find((name) => manifestOf(name) === undefined);
  if (unknown !== undefined) {
    throw new InvalidArgumentError(`There is no workload '${unknown}'. There are: ${WORKLOAD_NAMES.join(', ')}.`);
  }
  return names;
}

function readFlags(): Flags {
  const { env } = process;
  return new Command('rma-task-server')
    .description('Runs embedded workloads behind HTTP, without a pool: POST /tasks/KIND, GET /health.')
    .version(VERSION, '-V, --version')
    .requiredOption('--workload <NAMES>', 'workloads to serve, separated by commas', workloads)
    .option(
      '--host <HOST>',
      'address to listen on; there is no authentication',
      env.RMA_TASK_SERVER_HOST ?? '127.0.0.1',
    )
    .option('--port <PORT>', 'port to listen on; 0 picks a free one', integer(0, 65_535), 8_000)
    .option('--slots <N>', 'tasks of one workload at once (default: half of the cores)', integer(1, 1_024))
    .option('--scratch <DIR>', "where handlers keep temporary files (default: the system's place)")
    .option('--max-body-mib <MIB>', 'the largest input', integer(1, 1_024), 64)
    .option('--grace <SECONDS>', 'how long running tasks may go on after SIGTERM', integer(0, 3_600), 5)
    .option('--log-level <LEVEL>', 'least severe level to log', 'info')
    .allowExcessArguments(false)
    .showHelpAfterError('(--help lists all options)')
    .parse()
    .opts<Flags>();
}

const flags = readFlags();
const log = createLog({ level: flags.logLevel, format: 'auto' });
const server = new TaskServer({
  runtime: createEmbeddedRuntime({
    workloads: flags.workload,
    log,
    ...(flags.slots === undefined ? {} : { slots: flags.slots }),
    ...(flags.scratch === undefined ? {} : { scratch: flags.scratch }),
  }),
  maxBodyBytes: flags.maxBodyMib * MIB,
  defaultTimeoutMs: (kind) => manifestOfKind(kind)?.defaultTimeoutMs ?? DEFAULT_TIMEOUT_MS,
  log,
});

let signals = 0;
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.on(signal, () => {
    signals += 1;
    if (signals > 1) process.exit(1);
    void server.stop(flags.grace * 1_000).then(() => process.exit(0));
  });
}
try {
  const port = await server.start(flags.host, flags.port);
  log.info({ port, workloads: flags.workload }, `serving ${flags.workload.join(', ')} on ${flags.host}:${port}`);
} catch (error) {
  process.stderr.write(`rma-task-server: ${errorMessage(error)}\n`);
  await server.stop(0);
  process.exit(1);
}
