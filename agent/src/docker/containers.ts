/**
 * The agent's side of containers as a whole: finds the engine, says on the wire what it is, cleans up after a crash, and
 * makes the runtimes of assigned containers and of `container.run`.
 */
import { statfs } from 'node:fs/promises';
import os from 'node:os';
import type { Hardware } from '@rma/protocol/hardware';
import type { ContainerSpec, Engine as EngineView } from '@rma/protocol/workload';
import type { Runtime } from '@rma/workloads/runtime';
import type { AgentLog } from '../log.js';
import { removeAll, removeJobs, removeUnassigned } from './clean-up.js';
import { ContainerHost } from './container-host.js';
import { detectEngine, type EngineChoice, type FoundEngine } from './detect.js';
import { EngineError } from './engine/engine-error.js';
import { Images } from './images.js';
import { JobRuntime, type LentToJobs } from './job-runtime.js';
import type { KindServerFactory } from './kind-server.js';
import { agentLabel } from './labels.js';
import { pauseMs, wait } from './pause.js';
import { DockerRuntime } from './runtime.js';
import { SecretFile } from './secrets.js';

const MAX_DIGESTS = 256;
const MIB = 1_048_576;
/** What unused images of ours may keep of the engine's disk. */
const IMAGE_BUDGET_MIB = 30 * 1_024;
/** Of the machine's memory, what all jobs together may be given. */
const JOB_MEMORY_SHARE = 0.5;
const CORES_PER_JOB_SLOT = 4;

/** No more than the donor's caps allow. */
export interface Lent {
  readonly hardware: Hardware;
  /** Images that `container.run` may use; none: it is not offered. */
  readonly jobImages: readonly string[];
}

export interface ContainersOptions {
  readonly choice: EngineChoice;
  /** It was looked for before: why there is none is known. */
  readonly isAgain?: boolean;
  /** What the donor lends to containers now. */
  lent(): Lent;
  readonly stateDir: string;
  readonly stateKey: string;
  readonly log: AgentLog;
  /** Serves the kinds of containers with api `openai`. */
  readonly openai?: KindServerFactory | undefined;
  /** Who it is, once it has joined. */
  worker(): string | undefined;
}

/**
 * Undefined where there is no engine, none is wanted, or the one that answered is gone again before it has told all.
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
    const text = `the container engine at ${url} was found and lost again (${error.message}); it is looked for again`;
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
  /** The service of `container.run`; it offers nothing while the donor admits no images. */
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

  /** What `hello` says of it. */
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

  /** Removes what a killed agent left of its jobs, and looks at the images. */
  async prepare(): Promise<void> {
    const { engine, info } = this.#found;
    const { log, stateDir, lent } = this.#options;
    const { hardware } = lent();
    const self = hardware.container ? await this.#self() : undefined;
    if (hardware.container && self === undefined) {
      log.warn(
        {},
        'this agent runs in a container that the engine does not know: ports of its containers may be out of its reach',
      );
    }
    this.#host = new ContainerHost({
      engine,
      info,
      images: new Images(engine, stateDir, IMAGE_BUDGET_MIB, log),
      secrets: new SecretFile(stateDir),
      log,
      self,
      cores: () => Math.min(info.cores, lent().hardware.cpu.logicalCores),
      owner: () => ({ agent: this.#agent, worker: this.#options.worker() ?? 'unknown' }),
    });
    this.jobs = new JobRuntime({ host: this.#host, lent: () => this.#lentToJobs() });
    try {
      const left = await removeJobs(engine, this.#agent);
      if (left > 0)
        log.warn({ containers: left }, `removed ${left} containers of tasks that an earlier run of this agent left`);
      await this.#look();
    } catch (error) {
      log.warn({}, `the container engine could not be looked at: ${textOf(error)}`);
    }
  }

  runtimeFor(workload: string, container: ContainerSpec): DockerRuntime {
    return new DockerRuntime({ host: this.#made, workload, container, openai: this.#options.openai });
  }

  /** Takes away containers of workloads that are not among these. Tries until the engine has done it. */
  assigned(workloads: readonly string[]): void {
    this.#cleaning = this.#cleaning.then(() => this.#clean(workloads));
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#cleaning;
  }

  /** The machine leaves the pool: every container goes, and the data where asked for. Says so where that fails. */
  async purge({ volumes }: { readonly volumes: boolean }): Promise<void> {
    const { stateDir, stateKey, log } = this.#options;
    try {
      await removeAll({ engine: this.#found.engine, stateDir, stateKey, purgeVolumes: volumes });
    } catch (error) {
      log.error(
        {},
        `not all containers could be removed (${textOf(error)}): see docker ps -a --filter label=rma.agent=${this.#agent}`,
      );
    }
  }

  async #clean(workloads: readonly string[]): Promise<void> {
    const { log, worker } = this.#options;
    const { signal } = this.#stopping;
    for (let tries = 1; !signal.aborted; tries += 1) {
      try {
        const kept = [...workloads, ...this.#made.keepers.keys()];
        await removeUnassigned(this.#found.engine, this.#agent, worker() ?? '', kept, log);
        await this.#look();
        return;
      } catch (error) {
        log.debug({}, `the clean-up of containers failed and is tried again: ${textOf(error)}`);
        await wait(pauseMs(tries), signal);
      }
    }
  }

  async #look(): Promise<void> {
    const { engine, info } = this.#found;
    const images = await engine.images.list();
    this.#images = [...new Set(images.flatMap(({ digests }) => digests))].slice(0, MAX_DIGESTS);
    if (info.rootDir === undefined || this.#options.lent().hardware.container) return;
    try {
      const { bavail, bsize } = await statfs(info.rootDir);
      this.#diskFreeMiB = Math.floor((bavail * bsize) / MIB);
    } catch {
      // Of another user, or inside a virtual machine: then nobody knows.
      this.#diskFreeMiB = undefined;
    }
  }

  /** A container's host name is its id, unless somebody chose another. */
  async #self(): Promise<string | undefined> {
    const name = os.hostname();
    const state = await this.#found.engine.containers.inspect(name);
    return state?.running === true ? name : undefined;
  }

  #lentToJobs(): LentToJobs {
    const { hardware, jobImages } = this.#options.lent();
    const { cpu, gpus, memory } = hardware;
    const slots = Math.max(1, Math.floor(cpu.logicalCores / CORES_PER_JOB_SLOT));
    return {
      images: jobImages,
      slots,
      maxMemoryMiB: Math.max(16, Math.floor((memory.totalMiB * JOB_MEMORY_SHARE) / slots)),
      maxCores: this.#made.cores,
      gpu: gpus.length > 0,
    };
  }

  get #made(): ContainerHost {
    if (this.#host === undefined) throw new Error('containers are used before they are prepared');
    return this.#host;
  }
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
