/** The service `containers`: runs `container.run` tasks, in images of the donor's list and within the donor's limits. */
import { stoppedFailure } from '@rma/workloads/host/failures';
import {
  type Execution,
  type Job,
  type JobListener,
  type Runtime,
  type ServiceStatus,
  TaskError,
} from '@rma/workloads/runtime';
import type { ContainerHost } from './container-host.js';
import { isAllowed } from './image-ref.js';
import { ContainerJob } from './job.js';
import { readInput } from './job-input.js';
import { pauseMs, wait } from './pause.js';
import type { JobLimits } from './profile.js';

export const JOBS_SERVICE = 'containers';
export const JOBS_KIND = 'container.run';

const DEFAULT_MEMORY_MIB = 512;
const DEFAULT_CORES = 1;
const PING_MS = 5_000;
const CHECK_MS = 10_000;

export interface JobRuntimeOptions {
  readonly host: ContainerHost;
  /** What the donor lends now. */
  lent(): LentToJobs;
}

export interface LentToJobs {
  /** Patterns of the images that the donor admits; none: nothing is offered. */
  readonly images: readonly string[];
  readonly slots: number;
  /** The most that one container may ask for. */
  readonly maxMemoryMiB: number;
  readonly maxCores: number;
  readonly gpu: boolean;
}

export class JobRuntime implements Runtime {
  readonly #options: JobRuntimeOptions;
  readonly #jobs = new Set<ContainerJob>();
  readonly #stopping = new AbortController();
  #watching: Promise<void> = Promise.resolve();
  #gone: string | undefined;
  #changed: () => void = () => undefined;

  constructor(options: JobRuntimeOptions) {
    this.#options = options;
  }

  start(changed: () => void): Promise<void> {
    this.#changed = changed;
    this.#watching = this.#watch();
    changed();
    return Promise.resolve();
  }

  services(): readonly ServiceStatus[] {
    const { images, slots } = this.#options.lent();
    if (images.length === 0 && this.#jobs.size === 0) return [];
    const base = { name: JOBS_SERVICE, runtime: 'docker', kinds: [JOBS_KIND], slots } as const;
    if (this.#stopping.signal.aborted) return [{ ...base, state: 'stopped' }];
    if (images.length === 0)
      return [{ ...base, slots: 0, state: 'stopped', reason: 'its donor admits no images any more (jobs.images)' }];
    if (this.#gone === undefined) return [{ ...base, state: 'healthy' }];
    return [{ ...base, state: 'unhealthy', reason: `the container engine does not answer (${this.#gone})` }];
  }

  execute(job: Job, listener: JobListener): Execution {
    try {
      const started = this.#job(job, listener);
      this.#jobs.add(started);
      const done = started.done.finally(() => this.#jobs.delete(started));
      return { done, cancel: () => started.cancel() };
    } catch (error) {
      if (!(error instanceof TaskError)) throw error;
      const { code, message, retryable } = error;
      return { done: Promise.resolve({ ok: false, error: { code, message, retryable } }), cancel: () => undefined };
    }
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    for (const job of this.#jobs) job.stopWith(stoppedFailure());
    await Promise.all([...this.#jobs].map(({ done }) => done));
    await this.#watching;
  }

  #job(job: Job, listener: JobListener): ContainerJob {
    const { host, lent } = this.#options;
    const { images } = lent();
    const input = readInput(job.input);
    if (!isAllowed(input.image, images)) {
      throw new TaskError(
        'image.not_allowed',
        `this worker does not run the image ${input.image}; it runs ${images.join(', ') || 'none'} (its donor adds it to jobs.images in worker.yaml, or with --allow-image)`,
        // Another worker's donor may think otherwise.
        true,
      );
    }
    return new ContainerJob(host, job, input, this.#limits(input), listener);
  }

  /** What it asks for, if that is lent; where it does not ask, no more than is. */
  #limits(input: ReturnType<typeof readInput>): JobLimits {
    const { maxMemoryMiB, maxCores, gpu: lendsGpu } = this.#options.lent();
    const {
      memoryMiB = Math.min(DEFAULT_MEMORY_MIB, maxMemoryMiB),
      cores = Math.min(DEFAULT_CORES, maxCores),
      gpu = false,
    } = input;
    if (memoryMiB > maxMemoryMiB) throw tooMuch('memoryMiB', memoryMiB, maxMemoryMiB);
    if (cores > maxCores && cores > DEFAULT_CORES) throw tooMuch('cores', cores, maxCores);
    if (gpu && !lendsGpu) throw new TaskError('resources.too_much', 'this worker lends no GPU to a container', true);
    return { memoryMiB, cores: Math.min(cores, maxCores), gpu };
  }

  /** Whether the engine is there, so that no task is sent here while it is not. */
  async #watch(): Promise<void> {
    const { signal } = this.#stopping;
    let tries = 0;
    while (!signal.aborted) {
      let gone: string | undefined;
      try {
        // An engine that nobody may use here is left alone.
        if (this.#options.lent().images.length > 0) await this.#options.host.engine.ping(PING_MS);
        tries = 0;
      } catch (error) {
        gone = error instanceof Error ? error.message : String(error);
        tries += 1;
      }
      if ((gone === undefined) !== (this.#gone === undefined)) {
        this.#gone = gone;
        this.#changed();
      }
      await wait(gone === undefined ? CHECK_MS : pauseMs(tries, CHECK_MS), signal);
    }
  }
}

function tooMuch(what: string, asked: number, most: number): TaskError {
  return new TaskError(
    'resources.too_much',
    `${what} ${asked} is more than the ${most} that this worker lends to a container`,
    true,
  );
}
