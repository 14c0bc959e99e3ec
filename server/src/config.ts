/** The coordinator's settings: flags before environment (`RMA_*`) before a config file before defaults, all checked alike. */
import { readFileSync } from 'node:fs';
import { errorMessage } from '@rma/protocol/error';
import { parse } from 'yaml';

export interface Setting<T> {
  readonly flag: string;
  readonly environment: string;
  readonly default: T;
  readonly help: string;
  /** The name of the flag's value, for the help; undefined for a switch. */
  readonly value?: string;
  /** Parses a text or a config file's value. @throws Error that says what is expected */
  read(value: unknown): T;
}

const integer =
  (minimum: number, maximum: number) =>
  (value: unknown): number => {
    const number = typeof value === 'string' && value.trim() !== '' ? Number(value) : value;
    if (typeof number !== 'number' || !Number.isInteger(number) || number < minimum || number > maximum) {
      throw new Error(`expected a whole number from ${minimum} to ${maximum}`);
    }
    return number;
  };

const text = (value: unknown): string => {
  if (typeof value !== 'string' || value.trim() === '') throw new Error('expected a text');
  return value;
};

const flag = (value: unknown): boolean => {
  if (value === true || value === 'true' || value === '1') return true;
  if (value === false || value === 'false' || value === '0') return false;
  throw new Error('expected true or false');
};

const oneOf =
  <T extends string>(...words: readonly T[]) =>
  (value: unknown): T => {
    const found = words.find((word) => word === value);
    if (!found) throw new Error(`expected ${words.join(', ')}`);
    return found;
  };

const origins = (value: unknown): readonly string[] => {
  const list = typeof value === 'string' ? value.split(',').map((item) => item.trim()) : value;
  if (!Array.isArray(list)) throw new Error('expected origins such as https://pool.example.org, separated by commas');
  return list
    .filter((item) => item !== '')
    .map((item) => {
      if (typeof item !== 'string' || !URL.canParse(item) || new URL(item).origin !== item) {
        throw new Error(`'${item}' is not an origin such as https://pool.example.org`);
      }
      return item;
    });
};

const setting = <T>(spec: Omit<Setting<T>, 'environment'>): Setting<T> => ({
  ...spec,
  environment: `RMA_${spec.flag.replaceAll('-', '_').toUpperCase()}`,
});

const url = (value: unknown): string => {
  const given = typeof value === 'string' && URL.canParse(value) ? new URL(value) : undefined;
  const isWeb = given?.protocol === 'https:' || given?.protocol === 'http:';
  if (!given || !isWeb || given.username || given.password || given.search || given.hash) {
    throw new Error('expected an address such as https://pool.example.org');
  }
  return `${given.origin}${given.pathname}`.replace(/\/+$/, '');
};

const optional =
  <T>(read: (value: unknown) => T) =>
  (value: unknown): T | undefined =>
    value === undefined || value === null || value === '' ? undefined : read(value);

export const SETTINGS = {
  host: setting({
    flag: 'host',
    value: 'HOST',
    default: '127.0.0.1',
    read: text,
    help: 'address to listen on; 0.0.0.0 for all',
  }),
  port: setting({
    flag: 'port',
    value: 'PORT',
    default: 8080,
    read: integer(0, 65_535),
    help: 'port to listen on; 0 picks a free one',
  }),
  data: setting({
    flag: 'data',
    value: 'DIR',
    default: './data',
    read: text,
    help: 'directory of the database, tokens and blobs',
  }),
  catalog: setting({
    flag: 'catalog',
    value: 'FILE',
    default: '',
    read: (value) => (value === '' ? '' : text(value)),
    help: "the catalogue of workloads; default: the data directory's catalog.yaml, else the shipped one",
  }),
  transport: setting({
    flag: 'transport',
    value: 'NAME',
    default: 'auto' as const,
    read: oneOf('auto', 'uws', 'ws'),
    help: 'uws (uWebSockets.js), ws, or auto: uws where it loads',
  }),
  pool: setting({
    flag: 'pool',
    value: 'NAME',
    default: 'RMA Pool',
    read: text,
    help: "the pool's name, shown to people who join it",
  }),
  dashboard: setting({
    flag: 'dashboard',
    value: 'DIR',
    default: '',
    read: (value) => (value === '' ? '' : text(value)),
    help: "the dashboard's built files; empty: those beside this package",
  }),
  allowedOrigin: setting({
    flag: 'allowed-origin',
    value: 'ORIGINS',
    default: [] as readonly string[],
    read: origins,
    help: 'origins whose pages may connect besides the dashboard served here, separated by commas',
  }),
  publicUrl: setting({
    flag: 'public-url',
    value: 'URL',
    default: undefined as string | undefined,
    read: optional(url),
    help: "the pool's public address, for the join commands that it shows, such as https://pool.example.org",
  }),
  joinTokenFile: setting({
    flag: 'join-token-file',
    value: 'FILE',
    default: undefined as string | undefined,
    read: optional(text),
    help: 'a second file for the join token: for workers that share a volume, but not the data directory',
  }),
  trustProxy: setting({
    flag: 'trust-proxy',
    default: false,
    read: flag,
    help: "take a peer's address from the last entry of the proxy's header",
  }),
  proxyHeader: setting({
    flag: 'proxy-header',
    value: 'NAME',
    default: 'X-Forwarded-For',
    read: text,
    help: "the header in which a trusted proxy passes the peer's address",
  }),
  resultDays: setting({
    flag: 'result-days',
    value: 'DAYS',
    default: 7,
    read: integer(1, 3_650),
    help: 'how long results are kept',
  }),
  eventDays: setting({
    flag: 'event-days',
    value: 'DAYS',
    default: 7,
    read: integer(1, 3_650),
    help: 'how long events are kept; never longer than results',
  }),
  events: setting({
    flag: 'events',
    value: 'N',
    default: 2_000_000,
    read: integer(1_000, 1_000_000_000),
    help: 'how many events are kept at most',
  }),
  workerGraceMs: setting({
    flag: 'worker-grace-ms',
    value: 'MS',
    default: 8_000,
    read: integer(0, 3_600_000),
    help: 'how long a disconnected worker keeps its attempts',
  }),
  startGraceMs: setting({
    flag: 'start-grace-ms',
    value: 'MS',
    default: 45_000,
    read: integer(0, 3_600_000),
    help: 'the same right after a start, while all workers reconnect',
  }),
  reserveMib: setting({
    flag: 'reserve-mib',
    value: 'MIB',
    default: 16,
    read: integer(1, 65_536),
    help: 'disk space reserved for results; submits are refused while less than half of that is free besides',
  }),
  greetings: setting({
    flag: 'max-greetings-per-address',
    value: 'N',
    default: 64,
    read: integer(1, 1_000_000),
    help: 'connections of one address that may be without a hello for more than 2 s; the oldest make room',
  }),
  messages: setting({
    flag: 'messages-per-second',
    value: 'N',
    default: 20_000,
    read: integer(10, 10_000_000),
    help: 'messages that one connection may send a second',
  }),
  synchronous: setting({
    flag: 'synchronous',
    value: 'MODE',
    default: 'FULL' as const,
    read: oneOf('FULL', 'NORMAL'),
    help: 'FULL: what is accepted survives a power cut; NORMAL: only a crash of the process',
  }),
  logLevel: setting({
    flag: 'log-level',
    value: 'LEVEL',
    default: 'info' as const,
    read: oneOf('trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'),
    help: 'the least severe messages that are logged to standard error',
  }),
} as const;

type Settings = typeof SETTINGS;
export type SettingName = keyof Settings;
export type Config = { readonly [N in SettingName]: ReturnType<Settings[N]['read']> };

/** A setting that is wrong; the message names the setting, where it came from, and what was expected. */
export class ConfigError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'ConfigError';
  }
}

/** @param flags by setting name, as the command line gave them @param configFile a YAML or JSON file, or undefined */
export function readConfig(
  flags: Readonly<Partial<Record<SettingName, unknown>>>,
  environment: Readonly<Record<string, string | undefined>>,
  configFile: string | undefined,
): Config {
  const file: Record<string, unknown> = configFile === undefined ? {} : readFile(configFile);
  const config: Record<string, unknown> = {};
  for (const name of Object.keys(SETTINGS) as SettingName[]) {
    const { flag, environment: variable, default: fallback, read } = SETTINGS[name];
    const [value, source] =
      flags[name] !== undefined
        ? [flags[name], `--${flag}`]
        : environment[variable] !== undefined
          ? [environment[variable], variable]
          : file[flag] !== undefined
            ? [file[flag], `${flag} in ${configFile}`]
            : [fallback, 'the default'];
    try {
      config[name] = read(value);
    } catch (error) {
      const shown = typeof value === 'string' ? `'${value}'` : JSON.stringify(value);
      throw new ConfigError(`${source}: ${errorMessage(error)}, got ${shown}`);
    }
  }
  return config as Config;
}

function readFile(path: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = parse(readFileSync(path, 'utf8'));
  } catch (error) {
    throw new ConfigError(`the config file ${path} cannot be read: ${errorMessage(error)}`);
  }
  if (value === null || value === undefined) return {};
  if (typeof value !== 'object' || Array.isArray(value)) throw new ConfigError(`${path}: expected a map of settings`);
  const known = new Set<string>(Object.values(SETTINGS).map((one) => one.flag));
  for (const key of Object.keys(value)) {
    if (!known.has(key))
      throw new ConfigError(`${path}: there is no setting '${key}'; the settings are ${[...known].join(', ')}`);
  }
  return value as Record<string, unknown>;
}

/** The settings as a config file that would give the same. */
export function printConfig(config: Config): string {
  return (Object.keys(SETTINGS) as SettingName[])
    .map((name) => `# ${SETTINGS[name].help}\n${SETTINGS[name].flag}: ${JSON.stringify(config[name] ?? null)}\n`)
    .join('');
}
