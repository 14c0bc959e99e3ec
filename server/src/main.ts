/** The command `rma-coordinator`: reads its settings, serves, and shuts down in order on SIGTERM and SIGINT. */
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { errorMessage } from '@rma/protocol/error';
import { Command, Option } from 'commander';
import { destination, pino } from 'pino';
import { CatalogError } from './catalog/catalog-file.js';
import { type Config, ConfigError, printConfig, readConfig, SETTINGS, type SettingName } from './config.js';
import { type Coordinator, type CoordinatorOptions, startCoordinator } from './coordinator.js';
import { TransportUnavailable } from './socket/choose-transport.js';
import { DEFAULT_SOCKET_SETTINGS } from './socket/connections.js';
import { DirectoryLocked } from './store/lock.js';

const DAY_MS = 86_400_000;
const STOP_LIMIT_MS = 5_000;
/** Exit statuses: 1 failure, 2 invalid setting, 3 port or data directory in use by another process. */
const EXIT = { failed: 1, usage: 2, taken: 3 } as const;

const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as {
  version: string;
};

function command(): Command {
  const program = new Command('rma-coordinator')
    .description(
      'The coordinator of an RMA Pool: workers and clients connect to it; it queues, stores and dispatches tasks.',
    )
    .version(version)
    .option('--config <FILE>', 'a YAML or JSON file with settings; flags and RMA_* variables override it')
    .option('--print-config', 'print the settings that would be used, as a config file, and exit')
    .addHelpText(
      'after',
      `
Every setting may also come from the environment (RMA_PORT=9000) or from the config file (port: 9000).

Examples:
  rma-coordinator                               serve on http://127.0.0.1:8080, data in ./data
  rma-coordinator --host 0.0.0.0 --port 9000    serve the network (put TLS in front of it)
  rma-coordinator --data /var/lib/rma --print-config

The first start writes admin.token, client.token and join.token into the data directory.`,
    );
  for (const { flag, value, help, default: fallback } of Object.values(SETTINGS)) {
    const shown = Array.isArray(fallback) || fallback === undefined ? 'none' : String(fallback);
    program.addOption(
      new Option(`--${flag}${value ? ` <${value}>` : ''}`, value ? `${help} (default: ${shown})` : help),
    );
  }
  return program;
}

const camel = (flag: string): string => flag.replace(/-(\w)/g, (_, letter: string) => letter.toUpperCase());

function flagsOf(options: Record<string, unknown>): Partial<Record<SettingName, unknown>> {
  const flags: Partial<Record<SettingName, unknown>> = {};
  for (const name of Object.keys(SETTINGS) as SettingName[]) {
    const value = options[camel(SETTINGS[name].flag)];
    if (value !== undefined) flags[name] = value;
  }
  return flags;
}

function fail(error: unknown, status: number): never {
  process.stderr.write(`rma-coordinator: ${errorMessage(error)}\n`);
  process.exit(status);
}

async function main(): Promise<void> {
  const program = command().parse();
  const options = program.opts<Record<string, unknown>>();
  let config: Config;
  try {
    const file = (options.config as string | undefined) ?? process.env.RMA_CONFIG;
    config = readConfig(flagsOf(options), process.env, file);
  } catch (error) {
    if (error instanceof ConfigError) fail(error, EXIT.usage);
    throw error;
  }
  if (options.printConfig) {
    process.stdout.write(printConfig(config));
    return;
  }
  await serve(config);
}

/** Turns the settings of people (days, MiB, relative paths) into those of the coordinator. */
function optionsOf(config: Config): Omit<CoordinatorOptions, 'log' | 'fatal'> {
  return {
    host: config.host,
    port: config.port,
    data: resolve(config.data),
    catalog: config.catalog === '' ? undefined : resolve(config.catalog),
    transport: config.transport,
    synchronous: config.synchronous,
    trustProxy: config.trustProxy,
    proxyHeader: config.proxyHeader.toLowerCase(),
    publicUrl: config.publicUrl,
    joinTokenFile: config.joinTokenFile === undefined ? undefined : resolve(config.joinTokenFile),
    reserveBytes: config.reserveMib * 1_048_576,
    eventsKept: config.events,
    eventsKeptMs: config.eventDays * DAY_MS,
    core: {
      workerGraceMs: config.workerGraceMs,
      startGraceMs: config.startGraceMs,
      retentionMs: config.resultDays * DAY_MS,
    },
    socket: {
      ...DEFAULT_SOCKET_SETTINGS,
      allowedOrigins: config.allowedOrigin,
      maxGreetingsPerAddress: config.greetings,
      messagesPerSecond: config.messages,
      messageBurst: config.messages * 2,
    },
    pool: config.pool,
    ...(config.dashboard === '' ? {} : { dashboard: resolve(config.dashboard) }),
    version,
  };
}

async function serve(config: Config): Promise<void> {
  const log = pino({ level: config.logLevel }, destination({ dest: 2, sync: true }));
  const fatal = (error: unknown): never => {
    log.fatal({ err: error }, 'an invariant is broken: stopping; what was accepted is on disk');
    process.exit(EXIT.failed);
  };
  // EPIPE on stdout is not fatal: a parent may stop reading after the first lines.
  process.stdout.on('error', (error: Error) => log.warn({ err: error }, 'standard output is gone'));
  process.on('uncaughtException', fatal);
  process.on('unhandledRejection', fatal);
  const options = optionsOf(config);
  let coordinator: Coordinator;
  try {
    coordinator = await startCoordinator({ ...options, log, fatal });
  } catch (error) {
    failStart(error, options);
  }
  stopOnSignal(coordinator, log);
  announce(coordinator, options);
  log.info({ port: coordinator.port, transport: coordinator.transport, data: options.data, version }, 'serving');
}

/** Ends the process with the status and the advice that fit the error of a start. */
function failStart(error: unknown, { host, port, data }: Pick<CoordinatorOptions, 'host' | 'port' | 'data'>): never {
  if (error instanceof DirectoryLocked) fail(error, EXIT.taken);
  if (error instanceof TransportUnavailable || error instanceof CatalogError) fail(error, EXIT.usage);
  const code = (error as NodeJS.ErrnoException | null)?.code;
  if (code === 'EADDRINUSE') {
    const message = `port ${port} on ${host} is taken; choose another with --port, or 0 for a free one`;
    fail(new Error(message), EXIT.taken);
  }
  if (code === 'EACCES' || code === 'EROFS') {
    fail(new Error(`${data} cannot be written (${code}); choose a directory with --data`), EXIT.failed);
  }
  fail(error, EXIT.failed);
}

/** The lines on standard output: the address, a one-time link to the dashboard, the files with tokens. */
function announce(
  coordinator: Coordinator,
  { host, data, publicUrl }: Pick<CoordinatorOptions, 'host' | 'data' | 'publicUrl'>,
): void {
  const name = host.includes(':') ? `[${host}]` : host;
  process.stdout.write(`listening on http://${name}:${coordinator.port}\n`);
  const code = coordinator.signInCode();
  if (code) {
    // Browsers do not open the wildcard address.
    const reachable = ['0.0.0.0', '[::]'].includes(name) ? 'localhost' : name;
    const base = publicUrl?.replace(/\/$/, '') || `http://${reachable}:${coordinator.port}`;
    process.stdout.write(`dashboard, signs in once within 10 minutes: ${base}/#signin=${code}\n`);
  }
  const files = ['admin.token', 'client.token', 'join.token'].map((file) => join(data, file)).join(', ');
  if (coordinator.newTokens.length > 0) process.stdout.write(`wrote new tokens: ${coordinator.newTokens.join(', ')}\n`);
  else process.stdout.write(`tokens: ${files}\n`);
}

function stopOnSignal(
  coordinator: Coordinator,
  log: { info(text: string): void; error(value: object, text: string): void },
): void {
  let stopping = false;
  const stop = (signal: string) => {
    if (stopping) process.exit(EXIT.failed);
    stopping = true;
    log.info(`${signal}: stopping`);
    const limit = setTimeout(() => {
      log.error({ limitMs: STOP_LIMIT_MS }, 'stopping took too long; what was accepted is on disk');
      process.exit(0);
    }, STOP_LIMIT_MS);
    limit.unref();
    coordinator.stop().then(
      () => process.exit(0),
      (error: unknown) => {
        log.error({ err: error }, 'stopping failed');
        process.exit(EXIT.failed);
      },
    );
  };
  process.on('SIGTERM', () => stop('SIGTERM'));
  process.on('SIGINT', () => stop('SIGINT'));
}

await main();
