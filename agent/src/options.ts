/** The command line and environment of `rma-worker`. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Check } from '@rma/protocol/check';
import { Labels, Name } from '@rma/protocol/task';
import type { LogFormat } from '@rma/workloads/log';
import { WORKLOAD_NAMES } from '@rma/workloads/manifests';
import { Command, InvalidArgumentError, Option } from 'commander';
import type { AgentOptions } from './agent-options.js';
import { endpointSpecs } from './endpoint-runtime/endpoint-spec.js';
import { AgentFault } from './fault.js';
import { ggufSpecs } from './gguf-runtime/gguf-spec.js';
import type { LlmOptions } from './llm-runtimes.js';
import { COMMANDS_HELP } from './policy/command-names.js';
import { complaintLines, parseWorkerFile, type WorkerSettings } from './policy/worker-file.js';
import { defaultStateDir } from './state-dir.js';
import { VERSION } from './version.js';

/** What the command line says. */
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

/** As the protocol has it for labels. */
const LABEL_KEY = /^[A-Za-z0-9][A-Za-z0-9_./-]{0,62}$/;
const LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'];
const FORMATS: readonly LogFormat[] = ['auto', 'pretty', 'json'];

/**
 * Reads `argv` as `process.argv` has it. `--help`, `--version` and wrong usage print and exit.
 * @throws AgentFault for what only shows on a closer look, such as a token file that is not there
 */
export function readOptions(argv: readonly string[], env: NodeJS.ProcessEnv): WorkerOptions {
  const command = new Command('rma-worker')
    .description('Lends this machine to a pool: dials out to its coordinator, runs the tasks that it is given.')
    .version(VERSION, '-V, --version', 'print the version')
    .helpOption('-h, --help', 'print this help')
    .option('--url <URL>', "the coordinator's address, http(s)://HOST:PORT (RMA_URL, COORDINATOR_URL)")
    .option('--token <TOKEN>', 'a join token, for the first start; it shows in process lists, so better: (RMA_TOKEN)')
    .option('--token-file <FILE>', 'a file that holds the join token')
    .option('--state <DIR>', "where this worker's identity and unsent results are kept", defaultStateDir(env))
    .option('--name <NAME>', "what people call this machine (RMA_NAME; default: the host's name)")
    .option('--label <KEY=VALUE>', 'a label that tasks can ask for; may be given several times', addLabel)
    .option(
      '--handlers <FILE>',
      "a JavaScript file with one's own handlers: export default { 'my.kind': async (input, context) => output }",
    )
    .option('--only <WORKLOADS>', `run no workloads but these, separated by commas: ${WORKLOAD_NAMES.join(', ')}`, list)
    .option('--config <FILE>', 'the terms on which this machine is lent (default: worker.yaml in the state directory)')
    .option(
      '--endpoint <llm=URL>',
      'an OpenAI-compatible server whose models to offer, such as llm=http://127.0.0.1:11434/v1; may be given several times',
      several,
    )
    .option('--endpoint-key-env <NAME>', "the variable that holds the endpoints' API key", 'RMA_ENDPOINT_KEY')
    .option('--endpoint-slots <COUNT>', 'tasks at once on each endpoint (default: 4)', count)
    .option('--no-detect', 'do not look for Ollama, vLLM and llama.cpp on this machine')
    .option(
      '--model <FILE>',
      "a GGUF file to run, or NAME=FILE to give it a name of one's own; may be given several times",
      several,
    )
    .option('--model-slots <COUNT>', 'tasks at once on each GGUF file (default: 1)', count)
    .option('--model-context <TOKENS>', 'the longest context of a GGUF file (default: 4096)', count)
    .option('--engine <ENGINE>', 'the container engine: auto, none, or its URL (DOCKER_HOST)', 'auto')
    .option(
      '--allow-image <PATTERN>',
      'an image that tasks may run (container.run), such as python:3.13-slim or ghcr.io/our-lab/*; may be given several times',
      (pattern: string, before: string[] = []) => [...before, pattern],
    )
    .option('--insecure', 'allow an unencrypted address that is not on this machine (RMA_INSECURE=true)')
    .option('--grace <SECONDS>', 'how long running tasks may go on after Ctrl-C', seconds, 5)
    .addOption(new Option('--log-level <LEVEL>', 'how much to tell').choices(LEVELS).default('info'))
    .addOption(
      new Option('--log-format <FORMAT>', 'auto: for people in a terminal, JSON elsewhere')
        .choices(FORMATS)
        .default('auto'),
    )
    .allowExcessArguments(false)
    .showHelpAfterError('(--help tells all options)')
    .addHelpText(
      'after',
      `${COMMANDS_HELP}\n\nExit status: 0 left as asked, 1 cannot start, 2 another protocol version, 3 token refused or worker revoked.`,
    );
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
  if (flags.token !== undefined && flags.tokenFile !== undefined) {
    throw new AgentFault('--token and --token-file were both given; one is enough.');
  }
  const file = flags.tokenFile ?? (env.RMA_TOKEN === undefined ? tokenFile : undefined);
  // A token is for the first start only: its file may be gone since.
  const needed = flags.tokenFile !== undefined || !existsSync(join(flags.state, 'worker.json'));
  const token = flags.token ?? (file === undefined || !needed ? env.RMA_TOKEN : readToken(file));
  if (flags.label !== undefined) checked(new Check(Labels, '--label'), flags.label);
  const name = flags.name ?? (env.RMA_NAME || undefined);
  if (name !== undefined) checked(new Check(Name, '--name'), name);
  return {
    agent: {
      url,
      token: token?.trim(),
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
      // Who lists what may run is not offered anything else.
      detect: flags.detect && flags.only === undefined,
      coordinator: url,
    }),
    models: ggufSpecs({ models: flags.model ?? [], slots: flags.modelSlots, contextTokens: flags.modelContext }),
  };
}

function several(text: string, before: readonly string[] = []): string[] {
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

/** @param required it was named, so it has to be there */
function readSettings(path: string, required: boolean): WorkerSettings {
  if (!required && !existsSync(path)) return {};
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    throw new AgentFault(
      `cannot read ${path}: ${error instanceof Error ? error.message : error}. \`rma-worker init --config ${path}\` writes one to edit.`,
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
    throw new AgentFault(`cannot read the token file ${file}: ${error instanceof Error ? error.message : error}`);
  }
  throw new AgentFault(`the token file ${file} is empty`);
}

function checked(check: Check<unknown>, value: unknown): void {
  try {
    check.assert(value);
  } catch (error) {
    throw new AgentFault(
      `${error instanceof Error ? error.message : error}. Labels and names are short: keys of letters, digits and . _ / -, at most 128 characters a value.`,
    );
  }
}
