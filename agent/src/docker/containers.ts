/**
 * Containers of the agent: finds the engine, describes it for the wire, removes what a crash left, and makes the runtimes of
 * assigned containers and of `container.run`.
 */
import { statfs } from 'node:fs/promises';
import os from 'node:os';
import { errorMessage } from '@rma/protocol/error';
import type { Hardware } from '@rma/protocol/hardware';
import type { ContainerSpec, Engine as EngineView } from '@rma/protocol/workload';
import type { Runtime } from '@rma/workloads/runtime';
import type { AgentLog } from '../log.js';
import { removeAll, removeJobs, removeUnassigned } from './clean-up.js';
import { ContainerHost } from './container-host.js';
import { detectEngine, type EngineChoice, type FoundEngine } from './detect.js';
import { EngineError } from './engine/engine-error.js';
import { Images } from './images.js';
import { JobRuntime, type JobRuntimeLimits } from './job-runtime.js';
import type { KindServerFactory } from './kind-server.js';
import { agentLabel } from './labels.js';
import { pauseMs, wait } from './pause.js';
import { DockerRuntime } from './runtime.js';
import { SecretFile } from './secrets.js';

const MAX_DIGESTS = 256;
const MIB = 1_048_576;
/** Disk that unused images pulled by this agent may occupy. */
const IMAGE_BUDGET_MIB = 30 * 1_024;
/** Share of the machine's memory that all jobs together may use. */
const JOB_MEMORY_SHARE = 0.5;
const CORES_PER_JOB_SLOT = 4;

/** What the donor allows containers to use. */
export interface ContainerLimits {
  /** Within the caps. */
  readonly hardware: Hardware;
  /** Patterns of images that `container.run` may use; none: it is not offered. */
  readonly jobImages: readonly string[];
}

export interface ContainersOptions {
  readonly choice: EngineChoice;
  /** A repeated search: its failures were logged before. */
  readonly isAgain?: boolean;
  /** As they are now. */
  limits(): ContainerLimits;
  readonly stateDir: string;
  readonly stateKey: string;
  readonly log: AgentLog;
  /** Serves the kinds of containers with api `openai`. */
  readonly openai?: KindServerFactory | undefined;
  /** The worker's id, once it has joined. */
  worker(): string | undefined;
}

/**
 * Undefined where there is no engine, none is wanted, or the one that answered is gone before it has been examined.
 * @throws AgentFault for an address that cannot be used
 */
export async function findContainers(options: ContainersOptions): Promise<Containers | undefined> {
  const { log, isAgain } = options;
  const found = await detectEngine(options.choice, (message) =>
    isAgain ? log.debug({}, message) : log.warn({}, message),
  );
  if (found === undefined) return undefined;
  const { info, url } = found;
  const containers = new Containers(options, found);
  try {
    await containers.prepare();
  } catch (error) {
    if (!(error instanceof EngineError)) throw error;
    const text = `the container engine at ${url} was found and lost again (${error.message}); the search goes on`;
    if (isAgain) log.debug({}, text);
    else log.warn({}, text);
    return undefined;
  }
  log.info(
    { engine: info.name, version: info.version, url, gpu: info.nvidia },
    `containers run on ${info.name} ${info.version} (${url})${info.nvidia ? ', with GPUs' : ''}`,
  );
  return containers;
}

export class Containers {
  /** The runtime of `container.run`; it offers nothing while the donor allows no images. */
  jobs: Runtime | undefined;
  readonly #options: ContainersOptions;
  readonly #found: FoundEngine;
  readonly #agent: string;
  readonly #stopping = new AbortController();
  #host: ContainerHost | undefined;
  #images: string[] = [];
  #diskFreeMiB: number | undefined;
  #cleaning: Promise<void> = Promise.resolve();

  constructor(options: ContainersOptions, found: FoundEngine) {
    this.#options = options;
    this.#found = found;
    this.#agent = agentLabel(options.stateKey);
  }

  /** As `hello` describes it. */
  get view(): EngineView {
    const { name, version, nvidia, rootless } = this.#found.info;
    return {
      name,
      version,
      gpu: nvidia,
      ...(rootless ? { rootless } : {}),
      ...(this.#diskFreeMiB === undefined ? {} : { diskFreeMiB: this.#diskFreeMiB }),
      images: this.#images,
    };
  }

  /** Removes the jobs of a killed agent, and lists the images. */
  async prepare(): Promise<void> {
    const { engine, info } = this.#found;
    const { log, stateDir, limits } = this.#options;
    const { hardware } = limits();
    const self = hardware.container ? await this.#self() : undefined;
    if (hardware.container && self === undefined) {
      log.warn(
        {},
        'this agent runs in a container that the engine does not know: it may not reach the ports of its containers',
      );
    }
    this.#host = new ContainerHost({
      engine,
      info,
      images: new Images(engine, stateDir, IMAGE_BUDGET_MIB, log),
      secrets: new SecretFile(stateDir),
      log,
      self,
      cores: () => Math.min(info.cores, limits().hardware.cpu.logicalCores),
      owner: () => ({ agent: this.#agent, worker: this.#options.worker() ?? 'unknown' }),
    });
    this.jobs = new JobRuntime({ host: this.#host, limits: () => this.#jobLimits() });
    try {
      const removed = await removeJobs(engine, this.#agent);
      if (removed > 0)
        log.warn(
          { containers: removed },
          `removed ${removed} containers of tasks that an earlier run of this agent left`,
        );
      await this.#readImages();
    } catch (error) {
      log.warn({}, `the container engine could not be examined: ${errorMessage(error)}`);
    }
  }

  runtimeFor(workload: string, container: ContainerSpec): DockerRuntime {
    return new DockerRuntime({ host: this.#prepared, workload, container, openai: this.#options.openai });
  }

  /** Removes containers of workloads that are not among these; retries until the engine has done it. */
  assigned(workloads: readonly string[]): void {
    this.#cleaning = this.#cleaning.then(() => this.#clean(workloads));
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#cleaning;
  }

  /** The machine leaves the pool: removes every container, and the data if asked to. A failure is logged. */
  async purge({ volumes }: { readonly volumes: boolean }): Promise<void> {
    const { stateDir, stateKey, log } = this.#options;
    try {
      await removeAll({ engine: this.#found.engine, stateDir, stateKey, purgeVolumes: volumes });
    } catch (error) {
      log.error(
        {},
        `not all containers could be removed (${errorMessage(error)}): see docker ps -a --filter label=rma.agent=${this.#agent}`,
      );
    }
  }

  async #clean(workloads: readonly string[]): Promise<void> {
    const { log, worker } = this.#options;
    const { signal } = this.#stopping;
    for (let tries = 1; !signal.aborted; tries += 1) {
      try {
        const kept = [...workloads, ...this.#prepared.containerOwners.keys()];
        await removeUnassigned(this.#found.engine, this.#agent, worker() ?? '', kept, log);
        await this.#readImages();
        return;
      } catch (error) {
        log.debug({}, `the clean-up of containers failed and is tried again: ${errorMessage(error)}`);
        await wait(pauseMs(tries), signal);
      }
    }
  }

  async #readImages(): Promise<void> {
    const { engine, info } = this.#found;
    const images = await engine.images.list();
    this.#images = [...new Set(images.flatMap(({ digests }) => digests))].slice(0, MAX_DIGESTS);
    if (info.rootDir === undefined || this.#options.limits().hardware.container) return;
    try {
      const { bavail, bsize } = await statfs(info.rootDir);
      this.#diskFreeMiB = Math.floor((bavail * bsize) / MIB);
    } catch {
      // The directory belongs to another user, or is inside a virtual machine: the free space is unknown.
      this.#diskFreeMiB = undefined;
    }
  }

  /** The agent's own container: its host name is its id, unless it was started with --hostname. */
  async #self(): Promise<string | undefined> {
    const name = os.hostname();
    const state = await this.#found.engine.containers.inspect(name);
    return state?.running === true ? name : undefined;
  }

  #jobLimits(): JobRuntimeLimits {
    const { hardware, jobImages } = this.#options.limits();
    const { cpu, gpus, memory } = hardware;
    const slots = Math.max(1, Math.floor(cpu.logicalCores / CORES_PER_JOB_SLOT));
    return {
      images: jobImages,
      slots,
      maxMemoryMiB: Math.max(16, Math.floor((memory.totalMiB * JOB_MEMORY_SHARE) / slots)),
      maxCores: this.#prepared.cores,
      gpu: gpus.length > 0,
    };
  }

  get #prepared(): ContainerHost {
    if (this.#host === undefined) throw new Error('containers are used before they are prepared');
    return this.#host;
  }
}
