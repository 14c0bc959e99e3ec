/**
 * The embedded runtime: the built-in workloads and the donor's own handlers behind the runtime port. It passes a job to
 * the service of its kind; services own the processes.
 */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { handlers as echo } from '../echo/handlers.js';
import type { Host } from '../manifest.js';
import { HANDLERS_SERVICE, kindsOf, manifestOf, manifestOfKind, WORKLOAD_NAMES, type Workload } from '../manifests.js';
import { preparePostgres } from '../postgres/server.js';
import { prepareRedis } from '../redis/server.js';
import type { Execution, Handler, Job, JobListener, LlmEndpoint, Runtime, ServiceStatus } from '../runtime.js';
import type { PrepareServer } from '../servers/data-server.js';
import { ServerService } from '../servers/server-service.js';
import { sqliteProblem } from '../storage/sqlite.js';
import { failedExecution } from './failures.js';
import { InProcessService } from './in-process-service.js';
import { ProcessService, type ProcessServiceOptions } from './process-service.js';
import { type EmbeddedService, UnavailableService } from './service.js';

type NameOf<H extends Host> = Extract<Workload, { readonly host: H }>['name'];

/** Workloads whose host is `agent`: their handlers. */
const IN_AGENT: Readonly<Record<NameOf<'agent'>, Readonly<Record<string, Handler>>>> = { echo };
/** Workloads whose host is `server`: what makes their server ready, by the directory for data. */
const SERVERS: Readonly<Record<NameOf<'server'>, (dataDir: string) => PrepareServer>> = {
  postgres: preparePostgres,
  redis: prepareRedis,
};

/** Memory limit of one process of own handlers, unless given. */
const HANDLERS_MEMORY_MIB = 1_024;

const NO_DATA_DIR = 'the agent was given no directory for data.';

/** The part of a pino logger that is used. */
export interface EmbeddedLog {
  debug(fields: object, message: string): void;
  warn(fields: object, message: string): void;
}

/** How the embedded runtime is made. */
export interface EmbeddedRuntimeOptions {
  /** Names of built-in workloads to serve; see `MANIFESTS`. */
  readonly workloads: readonly string[];
  /** A JavaScript file that exports `{ 'kind': async (input, context) => output }`. */
  readonly handlersFile?: string;
  readonly log?: EmbeddedLog;
  /** Processes of one workload at once; half of the cores that this process may use, unless given. */
  readonly slots?: number;
  /** Parent of the scratch directory of its processes; the system's temporary directory, unless given. */
  readonly scratch?: string;
  /** Parent of the workloads' data; those that keep data are unhealthy without it. */
  readonly dataDir?: string;
  /** The LLM that this worker has at the moment, for the workloads that make use of one. */
  readonly llm?: () => LlmEndpoint | undefined;
  /** Memory limits in MiB of one process, by service name, in place of the manifests'. */
  readonly memoryMiB?: Readonly<Record<string, number>>;
}

/**
 * Makes the runtime; nothing runs before `start`.
 * @throws Error when a workload's name is unknown.
 */
export function createEmbeddedRuntime(options: EmbeddedRuntimeOptions): Runtime {
  const workloads = [...new Set(options.workloads)].map((name) => {
    const manifest = manifestOf(name);
    if (manifest !== undefined) return manifest;
    throw new Error(`Unknown embedded workload '${name}'. There are: ${WORKLOAD_NAMES.join(', ')}.`);
  });
  return new EmbeddedRuntime(options, workloads);
}

class EmbeddedRuntime implements Runtime {
  readonly #options: EmbeddedRuntimeOptions;
  readonly #workloads: readonly Workload[];
  #services: readonly EmbeddedService[] = [];
  #started = false;
  #home: string | undefined;

  constructor(options: EmbeddedRuntimeOptions, workloads: readonly Workload[]) {
    this.#options = options;
    this.#workloads = workloads;
  }

  async start(changed: () => void): Promise<void> {
    if (this.#started) throw new Error('The embedded runtime was started twice.');
    this.#started = true;
    const services = this.#workloads.map((workload) => this.#builtIn(workload, changed));
    if (this.#options.handlersFile !== undefined) services.push(this.#ofDonor(this.#options.handlersFile, changed));
    this.#services = services;
    for (const service of services) service.start();
  }

  services(): readonly ServiceStatus[] {
    return this.#services.map((service) => service.status());
  }

  execute(job: Job, listener: JobListener): Execution {
    const service = this.#services.find((candidate) => candidate.serves(job.kind));
    if (service) return service.execute(job, listener);
    const kinds = this.services().flatMap((status) => status.kinds);
    const message = `This worker serves no ${job.kind}; it serves ${kinds.join(', ') || 'nothing'}.`;
    return failedExecution({ code: 'kind.unknown', message, retryable: true });
  }

  async stop(): Promise<void> {
    await Promise.all(this.#services.map((service) => service.stop()));
    if (this.#home !== undefined) rmSync(this.#home, { recursive: true, force: true });
  }

  #builtIn(workload: Workload, changed: () => void): EmbeddedService {
    switch (workload.host) {
      case 'agent':
        return new InProcessService(workload.name, IN_AGENT[workload.name], Number(workload.slots), changed);
      case 'server':
        return this.#server(workload, changed);
      case 'processes':
        return this.#processes(workload, changed);
    }
  }

  #server(workload: Extract<Workload, { readonly host: 'server' }>, changed: () => void): EmbeddedService {
    const { dataDir, log } = this.#options;
    const { name, slots } = workload;
    if (dataDir === undefined) return new UnavailableService(name, NO_DATA_DIR, changed);
    mkdirSync(dataDir, { recursive: true, mode: 0o700 });
    return new ServerService({
      name,
      kinds: kindsOf(workload),
      slots: Number(slots),
      prepare: SERVERS[name](dataDir),
      changed,
      log: (message) => log?.warn({ service: name }, message),
      output: (line) => log?.debug({ service: name }, line),
    });
  }

  #processes(workload: Workload, changed: () => void): EmbeddedService {
    const { name, memoryMiB, keepsData, usesLlm } = workload;
    const problem = keepsData ? this.#dataProblem() : undefined;
    if (problem !== undefined) return new UnavailableService(name, problem, changed);
    return this.#processService({
      name,
      module: new URL(`../${name}/handlers.js`, import.meta.url).href,
      kinds: kindsOf(workload),
      memoryMiB,
      changed,
      refuse: () => undefined,
      dataDir: keepsData ? this.#options.dataDir : undefined,
      llm: usesLlm ? this.#options.llm : undefined,
    });
  }

  /** Why nothing can be kept on this machine, or undefined. */
  #dataProblem(): string | undefined {
    const { dataDir } = this.#options;
    if (dataDir === undefined) return NO_DATA_DIR;
    const problem = sqliteProblem();
    if (problem === undefined) mkdirSync(dataDir, { recursive: true, mode: 0o700 });
    return problem;
  }

  /** The donor's own handlers; they may not take a built-in kind's name. */
  #ofDonor(file: string, changed: () => void): EmbeddedService {
    const path = resolve(file);
    const refuse = (kinds: readonly string[]): string | undefined => {
      for (const kind of kinds) {
        const builtIn = manifestOfKind(kind);
        if (builtIn === undefined) continue;
        return `${path}: '${kind}' is a built-in kind (workload ${builtIn.name}). Give your handler another name, such as 'my.${kind}'.`;
      }
      return undefined;
    };
    return this.#processService({
      name: HANDLERS_SERVICE,
      module: pathToFileURL(path).href,
      kinds: [],
      memoryMiB: HANDLERS_MEMORY_MIB,
      changed,
      refuse,
    });
  }

  /** Made with the first process service: nothing else needs it. */
  #scratch(): string {
    const { scratch = tmpdir() } = this.#options;
    mkdirSync(scratch, { recursive: true, mode: 0o700 });
    this.#home ??= mkdtempSync(join(scratch, 'rma-worker-'));
    return this.#home;
  }

  #processService(service: Omit<ProcessServiceOptions, 'slots' | 'log' | 'output' | 'home'>): EmbeddedService {
    const { log, memoryMiB, slots } = this.#options;
    return new ProcessService({
      ...service,
      home: this.#scratch(),
      memoryMiB: memoryMiB?.[service.name] ?? service.memoryMiB,
      slots: slots ?? Math.max(1, Math.floor(availableParallelism() / 2)),
      log: (message) => log?.warn({ service: service.name }, message),
      output: (line) => log?.debug({ service: service.name }, line),
    });
  }
}
