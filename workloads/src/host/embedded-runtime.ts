/**
 * The embedded runtime: the built-in workloads and the donor's own handlers behind the runtime port. It routes a job
 * to the service of its kind; services keep the processes.
 */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { handlers as echoHandlers } from '../echo/handlers.js';
import { preparePostgres } from '../postgres/server.js';
import { prepareRedis } from '../redis/server.js';
import type { Execution, Job, JobListener, LlmEndpoint, Runtime, ServiceStatus } from '../runtime.js';
import { ServerService } from '../servers/server-service.js';
import { sqliteProblem } from '../storage/sqlite.js';
import {
  EMBEDDED_WORKLOADS,
  type EmbeddedWorkloadName,
  HANDLERS_SERVICE,
  isEmbeddedWorkload,
  workloadOfKind,
} from '../workloads.js';
import { InProcessService } from './in-process-service.js';
import { type EmbeddedService, ProcessService, type ProcessServiceOptions } from './process-service.js';
import { UnavailableService } from './unavailable-service.js';

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
  /** Names of built-in workloads to serve; see `EMBEDDED_WORKLOADS`. */
  readonly workloads: readonly string[];
  /** A JavaScript file that exports `{ 'kind': async (input, context) => output }`. */
  readonly handlersFile?: string;
  readonly log?: EmbeddedLog;
  /** Processes of one workload at once; half of the cores that this process may use, unless given. */
  readonly slots?: number;
  /** Where the scratch directory of its processes is made; the system's place for temporary files, unless given. */
  readonly scratch?: string;
  /** Where workloads that keep data do; without it they are not served. */
  readonly dataDir?: string;
  /** The LLM that this worker has, as of now, for the workloads that make use of one. */
  readonly llm?: () => LlmEndpoint | undefined;
  /** Memory limit in MiB of one process, by service name, where it shall differ from the built-in one. */
  readonly memoryMiB?: Readonly<Record<string, number>>;
}

/**
 * Makes the runtime; nothing runs before `start`.
 * @throws Error when a workload's name is unknown.
 */
export function createEmbeddedRuntime(options: EmbeddedRuntimeOptions): Runtime {
  const unknown = options.workloads.find((name) => !isEmbeddedWorkload(name));
  if (unknown !== undefined) {
    throw new Error(
      `Unknown embedded workload '${unknown}'. There are: ${Object.keys(EMBEDDED_WORKLOADS).join(', ')}.`,
    );
  }
  return new EmbeddedRuntime(options, options.workloads.filter(isEmbeddedWorkload));
}

class EmbeddedRuntime implements Runtime {
  readonly #options: EmbeddedRuntimeOptions;
  readonly #workloads: readonly EmbeddedWorkloadName[];
  #services: readonly EmbeddedService[] = [];
  #started = false;
  #home: string | undefined;

  constructor(options: EmbeddedRuntimeOptions, workloads: readonly EmbeddedWorkloadName[]) {
    this.#options = options;
    this.#workloads = [...new Set(workloads)];
  }

  async start(changed: () => void): Promise<void> {
    if (this.#started) throw new Error('The embedded runtime was started twice.');
    this.#started = true;
    const services = this.#workloads.map((name) => this.#builtIn(name, changed));
    if (this.#options.handlersFile !== undefined) services.push(this.#own(this.#options.handlersFile, changed));
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
    const error = { code: 'kind.unknown', message, retryable: true };
    return { done: Promise.resolve({ ok: false, error }), cancel: () => undefined };
  }

  async stop(): Promise<void> {
    await Promise.all(this.#services.map((service) => service.stop()));
    if (this.#home !== undefined) rmSync(this.#home, { recursive: true, force: true });
  }

  #builtIn(name: EmbeddedWorkloadName, changed: () => void): EmbeddedService {
    const workload = EMBEDDED_WORKLOADS[name];
    if (name === 'postgres' || name === 'redis') return this.#server(name, changed);
    if (workload.slots !== 'cores' || workload.module === undefined) {
      return new InProcessService(name, echoHandlers, Number(workload.slots), changed);
    }
    const { module, kinds, memoryMiB, keepsData, usesLlm } = workload;
    const problem = keepsData ? this.#dataProblem() : undefined;
    if (problem !== undefined) return new UnavailableService(name, problem, changed);
    return this.#inProcesses({
      name,
      module,
      kinds,
      memoryMiB,
      changed,
      refuse: () => undefined,
      dataDir: keepsData ? this.#options.dataDir : undefined,
      llm: usesLlm ? this.#options.llm : undefined,
    });
  }

  #server(name: 'postgres' | 'redis', changed: () => void): EmbeddedService {
    const { dataDir, log } = this.#options;
    if (dataDir === undefined) return new UnavailableService(name, NO_DATA_DIR, changed);
    mkdirSync(dataDir, { recursive: true, mode: 0o700 });
    const { kinds, slots } = EMBEDDED_WORKLOADS[name];
    return new ServerService({
      name,
      kinds,
      slots: Number(slots),
      prepare: name === 'postgres' ? preparePostgres(dataDir) : prepareRedis(dataDir),
      changed,
      log: (message) => log?.warn({ service: name }, message),
      output: (line) => log?.debug({ service: name }, line),
    });
  }

  /** Why nothing can be kept here, or undefined. */
  #dataProblem(): string | undefined {
    const { dataDir } = this.#options;
    if (dataDir === undefined) return NO_DATA_DIR;
    const problem = sqliteProblem();
    if (problem === undefined) mkdirSync(dataDir, { recursive: true, mode: 0o700 });
    return problem;
  }

  #own(file: string, changed: () => void): EmbeddedService {
    const path = resolve(file);
    const refuse = (kinds: readonly string[]): string | undefined => {
      const taken = kinds.find((kind) => workloadOfKind(kind) !== undefined);
      if (taken === undefined) return undefined;
      return `${path}: '${taken}' is a built-in kind (workload ${workloadOfKind(taken)}). Give your handler another name, such as 'my.${taken}'.`;
    };
    const module = pathToFileURL(path).href;
    return this.#inProcesses({
      name: HANDLERS_SERVICE,
      module,
      kinds: [],
      memoryMiB: HANDLERS_MEMORY_MIB,
      changed,
      refuse,
    });
  }

  /** Only processes need a directory of their own. */
  #scratch(): string {
    const { scratch = tmpdir() } = this.#options;
    mkdirSync(scratch, { recursive: true, mode: 0o700 });
    this.#home ??= mkdtempSync(join(scratch, 'rma-worker-'));
    return this.#home;
  }

  #inProcesses(service: Omit<ProcessServiceOptions, 'slots' | 'log' | 'output' | 'home'>): EmbeddedService {
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
