/** The command line and environment of `rma-worker`. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Check } from '@rma/protocol/check';
import { errorMessage } from '@rma/protocol/error';
import { Labels, Name } from '@rma/protocol/task';
import type { LogFormat } from '@rma/workloads/log';
import { WORKLOAD_NAMES } from '@rma/workloads/manifests';
import { Command, InvalidArgumentError, Option } from 'commander';
import type { AgentOptions } from '../agent-options.js';
import { endpointSpecs } from '../endpoint-runtime/endpoint-spec.js';
import { AgentFault } from '../fault.js';
import { ggufSpecs } from '../gguf-runtime/gguf-spec.js';
import { complaintLines, parseWorkerFile, type WorkerSettings } from '../policy/worker-file.js';
import type { LlmOptions } from '../runtimes/llm-runtimes.js';
import { defaultStateDir } from '../state/state-dir.js';
import { VERSION } from '../version.js';
import { COMMANDS_HELP } from './command-names.js';

/** The parsed command line. */
export interface WorkerOptions {
  readonly agent: Omit<AgentOptions, 'log'>;
  readonly graceMs: number;
  readonly logLevel: string;
  readonly logFormat: LogFormat;
}

interface Flags {
  readonly url?: string;
  readonly token?: string;
  readonly tokenFile?: string;
  readonly state: string;
  readonly name?: string;
  readonly label?: Record<string, string>;
  readonly handlers?: string;
  readonly only?: string[];
  readonly endpoint?: string[];
  readonly endpointKeyEnv: string;
  readonly endpointSlots?: number;
  readonly detect: boolean;
  readonly model?: string[];
  readonly modelSlots?: number;
  readonly modelContext?: number;
  readonly insecure?: true;
  readonly config?: string;
  readonly engine: string;
  readonly allowImage?: string[];
  readonly grace: number;
  readonly logLevel: string;
  readonly logFormat: LogFormat;
}

/** The protocol's pattern of label keys. */
const LABEL_KEY = /^[A-Za-z0-9][A-Za-z0-9_./-]{0,62}$/;
const LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'];
const FORMATS: readonly LogFormat[] = ['auto', 'pretty', 'json'];

/**
 * Parses `argv` in the format of `process.argv`. `--help`, `--version` and wrong usage print and exit.
 * @throws AgentFault for a mistake beyond usage, such as a token file that does not exist
 */
export function readOptions(argv: readonly string[], env: NodeJS.ProcessEnv): WorkerOptions {
  const command = workerCommand(env);
  command.parse([...argv]);
  const flags = command.opts<Flags>();
  const configFile = flags.config ?? join(flags.state, 'worker.yaml');
  const { labels, name: fileName, tokenFile, url: fileUrl } = readSettings(configFile, flags.config !== undefined);
  const url = flags.url ?? env.RMA_URL ?? env.COORDINATOR_URL ?? fileUrl;
  if (url === undefined || url === '') {
    throw new AgentFault(
      'no coordinator given. Use --url http(s)://HOST:PORT, RMA_URL, or url in worker.yaml, for example --url http://127.0.0.1:8080',
    );
  }
  if (flags.label !== undefined) checked(new Check(Labels, '--label'), flags.label);
  const name = flags.name ?? (env.RMA_NAME || undefined);
  if (name !== undefined) checked(new Check(Name, '--name'), name);
  return {
    agent: {
      url,
      token: joinToken(flags, env, tokenFile),
      stateDir: flags.state,
      name: name ?? fileName,
      labels: flags.label ?? labels,
      configFile,
      control: true,
      handlersFile: flags.handlers,
      llm: llmOptions(flags, url, env),
      only: flags.only,
      insecure: flags.insecure ?? env.RMA_INSECURE === 'true',
      engine: flags.engine,
      allowImages: flags.allowImage,
    },
    graceMs: flags.grace * 1_000,
    logLevel: flags.logLevel,
    logFormat: flags.logFormat,
  };
}

/** The usage of `rma-worker` without a subcommand. */
function workerCommand(env: NodeJS.ProcessEnv): Command {
  return new Command('rma-worker')
    .description('Lends this machine to a pool: connects to its coordinator and runs the tasks that it dispatches.')
    .version(VERSION, '-V, --version', 'print the version')
    .helpOption('-h, --help', 'print this help')
    .option('--url <URL>', "the coordinator's address, http(s)://HOST:PORT (RMA_URL, COORDINATOR_URL)")
    .option(
      '--token <TOKEN>',
      'a join token, for the first start; visible in process lists, so prefer --token-file (RMA_TOKEN)',
    )
    .option('--token-file <FILE>', 'a file that holds the join token')
    .option('--state <DIR>', "the directory of this worker's identity and unsent results", defaultStateDir(env))
    .option('--name <NAME>', "the machine's display name (RMA_NAME; default: the host's name)")
    .option('--label <KEY=VALUE>', 'a label that tasks can require; repeatable', addLabel)
    .option(
      '--handlers <FILE>',
      "a JavaScript file with your own handlers: export default { 'my.kind': async (input, context) => output }",
    )
    .option('--only <WORKLOADS>', `run only these workloads, separated by commas: ${WORKLOAD_NAMES.join(', ')}`, list)
    .option('--config <FILE>', 'the policy and settings of this machine (default: worker.yaml in the state directory)')
    .option(
      '--endpoint <llm=URL>',
      'an OpenAI-compatible server whose models to offer, such as llm=http://127.0.0.1:11434/v1; repeatable',
      repeated,
    )
    .option('--endpoint-key-env <NAME>', "the variable that holds the endpoints' API key", 'RMA_ENDPOINT_KEY')
    .option('--endpoint-slots <COUNT>', 'concurrent tasks of each endpoint (default: 4)', count)
    .option('--no-detect', 'do not detect Ollama, vLLM and llama.cpp on this machine')
    .option('--model <FILE>', 'a GGUF file to run, or NAME=FILE to give the model a name; repeatable', repeated)
    .option('--model-slots <COUNT>', 'concurrent tasks of each GGUF file (default: 1)', count)
    .option('--model-context <TOKENS>', 'the maximum context of a GGUF file (default: 4096)', count)
    .option('--engine <ENGINE>', 'the container engine: auto, none, or its URL (DOCKER_HOST)', 'auto')
    .option(
      '--allow-image <PATTERN>',
      'an image that tasks may run (container.run), such as python:3.13-slim or ghcr.io/our-lab/*; repeatable',
      repeated,
    )
    .option('--insecure', 'allow an unencrypted address that is not on this machine (RMA_INSECURE=true)')
    .option('--grace <SECONDS>', 'how long running tasks may continue after Ctrl-C', seconds, 5)
    .addOption(new Option('--log-level <LEVEL>', 'the lowest level that is logged').choices(LEVELS).default('info'))
    .addOption(
      new Option('--log-format <FORMAT>', 'auto: pretty in a terminal, JSON elsewhere')
        .choices(FORMATS)
        .default('auto'),
    )
    .allowExcessArguments(false)
    .showHelpAfterError('(--help lists all options)')
    .addHelpText(
      'after',
      `${COMMANDS_HELP}\n\nExit status: 0 left as asked, 1 cannot start, 2 another protocol version, 3 token refused or worker revoked.`,
    );
}

/** A token is needed at the first start only: afterwards its file may be missing. */
function joinToken(flags: Flags, env: NodeJS.ProcessEnv, settingsFile: string | undefined): string | undefined {
  if (flags.token !== undefined && flags.tokenFile !== undefined) {
    throw new AgentFault('--token and --token-file were both given; one is enough.');
  }
  const file = flags.tokenFile ?? (env.RMA_TOKEN === undefined ? settingsFile : undefined);
  const needed = flags.tokenFile !== undefined || !existsSync(join(flags.state, 'worker.json'));
  const token = flags.token ?? (file === undefined || !needed ? env.RMA_TOKEN : readToken(file));
  return token?.trim();
}

function llmOptions(flags: Flags, url: string, env: NodeJS.ProcessEnv): LlmOptions {
  const endpoints = flags.endpoint ?? [];
  const key = env[flags.endpointKeyEnv];
  if (flags.endpointKeyEnv !== 'RMA_ENDPOINT_KEY' && (key === undefined || key === '')) {
    throw new AgentFault(`--endpoint-key-env: the variable ${flags.endpointKeyEnv} is not set or empty.`);
  }
  return {
    endpoints: endpointSpecs({
      endpoints,
      key: key === '' ? undefined : key,
      slots: flags.endpointSlots,
      // --only lists everything that may run, so nothing is detected besides.
      detect: flags.detect && flags.only === undefined,
      coordinator: url,
    }),
    models: ggufSpecs({ models: flags.model ?? [], slots: flags.modelSlots, contextTokens: flags.modelContext }),
  };
}

function repeated(text: string, before: readonly string[] = []): string[] {
  return [...before, text];
}

function count(text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1 || value > 1_048_576)
    throw new InvalidArgumentError('Give a whole number from 1.');
  return value;
}

function addLabel(text: string, labels: Record<string, string> = {}): Record<string, string> {
  const at = text.indexOf('=');
  if (!LABEL_KEY.test(text.slice(0, Math.max(0, at)))) {
    throw new InvalidArgumentError(
      'A label is KEY=VALUE, such as region=eu; a key has up to 63 letters, digits and . _ / -',
    );
  }
  return { ...labels, [text.slice(0, at)]: text.slice(at + 1) };
}

function list(text: string): string[] {
  return text
    .split(',')
    .map((item) => item.trim())
    .filter((item) => item !== '');
}

function seconds(text: string): number {
  const value = Number(text);
  if (text.trim() === '' || !Number.isFinite(value) || value < 0)
    throw new InvalidArgumentError('Give a number of seconds, such as 5.');
  return value;
}

/** @param required whether a missing file is an error: it was named with --config */
function readSettings(path: string, required: boolean): WorkerSettings {
  if (!required && !existsSync(path)) return {};
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    throw new AgentFault(
      `cannot read ${path}: ${errorMessage(error)}. \`rma-worker init --config ${path}\` writes one to edit.`,
    );
  }
  const parsed = parseWorkerFile(text);
  if (!parsed.ok) throw new AgentFault(complaintLines(path, parsed.complaints).join('\n'));
  return parsed.file.settings;
}

function readToken(file: string): string {
  try {
    const token = readFileSync(file, 'utf8').trim();
    if (token !== '') return token;
  } catch (error) {
    throw new AgentFault(`cannot read the token file ${file}: ${errorMessage(error)}`);
  }
  throw new AgentFault(`the token file ${file} is empty`);
}

function checked(check: Check<unknown>, value: unknown): void {
  try {
    check.assert(value);
  } catch (error) {
    throw new AgentFault(
      `${errorMessage(error)}. Labels and names are short: keys of letters, digits and . _ / -, at most 128 characters a value.`,
    );
  }
}
