/** The service `containers`: runs `container.run` tasks in images that the donor allows, within the donor's limits. */
import { errorMessage } from '@rma/protocol/error';
import { imageMatches } from '@rma/protocol/image-pattern';
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
  /** As they are now. */
  limits(): JobRuntimeLimits;
}

/** What the donor allows jobs to use. */
export interface JobRuntimeLimits {
  /** Patterns of allowed images; none: nothing is offered. */
  readonly images: readonly string[];
  readonly slots: number;
  /** Per container. */
  readonly maxMemoryMiB: number;
  readonly maxCores: number;
  readonly gpu: boolean;
}

export class JobRuntime implements Runtime {
  readonly #options: JobRuntimeOptions;
  readonly #jobs = new Set<ContainerJob>();
  readonly #stopping = new AbortController();
  #pinging: Promise<void> = Promise.resolve();
  /** Why the engine does not answer; undefined: it does. */
  #engineProblem: string | undefined;
  #changed: () => void = () => undefined;

  constructor(options: JobRuntimeOptions) {
    this.#options = options;
  }

  start(changed: () => void): Promise<void> {
    this.#changed = changed;
    this.#pinging = this.#pingEngine();
    changed();
    return Promise.resolve();
  }

  services(): readonly ServiceStatus[] {
    const { images, slots } = this.#options.limits();
    if (images.length === 0 && this.#jobs.size === 0) return [];
    const base = { name: JOBS_SERVICE, runtime: 'docker', kinds: [JOBS_KIND], slots } as const;
    if (this.#stopping.signal.aborted) return [{ ...base, state: 'stopped' }];
    if (images.length === 0)
      return [{ ...base, slots: 0, state: 'stopped', reason: 'its donor allows no images any more (jobs.images)' }];
    if (this.#engineProblem === undefined) return [{ ...base, state: 'healthy' }];
    return [{ ...base, state: 'unhealthy', reason: `the container engine does not answer (${this.#engineProblem})` }];
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
    await this.#pinging;
  }

  #job(job: Job, listener: JobListener): ContainerJob {
    const { host, limits } = this.#options;
    const { images } = limits();
    const input = readInput(job.input);
    if (!images.some((pattern) => imageMatches(pattern, input.image))) {
      throw new TaskError(
        'image.not_allowed',
        `this worker does not run the image ${input.image}; it runs ${images.join(', ') || 'none'} (its donor can add it to jobs.images in worker.yaml, or with --allow-image)`,
        // Retryable, because another worker may allow it.
        true,
      );
    }
    return new ContainerJob(host, job, input, this.#limitsOf(input), listener);
  }

  /** What the input asks for, else min(default, limit). @throws TaskError above the limits */
  #limitsOf(input: ReturnType<typeof readInput>): JobLimits {
    const { maxMemoryMiB, maxCores, gpu: allowsGpu } = this.#options.limits();
    const {
      memoryMiB = Math.min(DEFAULT_MEMORY_MIB, maxMemoryMiB),
      cores = Math.min(DEFAULT_CORES, maxCores),
      gpu = false,
    } = input;
    if (memoryMiB > maxMemoryMiB) throw tooMuch('memoryMiB', memoryMiB, maxMemoryMiB);
    if (cores > maxCores && cores > DEFAULT_CORES) throw tooMuch('cores', cores, maxCores);
    if (gpu && !allowsGpu) throw new TaskError('resources.too_much', 'this worker lends no GPU to a container', true);
    return { memoryMiB, cores: Math.min(cores, maxCores), gpu };
  }

  /** Pings the engine until stopped, so that the service is unhealthy while the engine is away. */
  async #pingEngine(): Promise<void> {
    const { signal } = this.#stopping;
    let tries = 0;
    while (!signal.aborted) {
      let problem: string | undefined;
      try {
        // Without allowed images no task can run, so the engine need not answer.
        if (this.#options.limits().images.length > 0) await this.#options.host.engine.ping(PING_MS);
        tries = 0;
      } catch (error) {
        problem = errorMessage(error);
        tries += 1;
      }
      if ((problem === undefined) !== (this.#engineProblem === undefined)) {
        this.#engineProblem = problem;
        this.#changed();
      }
      await wait(problem === undefined ? CHECK_MS : pauseMs(tries, CHECK_MS), signal);
    }
  }
}

function tooMuch(what: string, asked: number, limit: number): TaskError {
  return new TaskError(
    'resources.too_much',
    `${what} ${asked} is more than the ${limit} that this worker lends to a container`,
    true,
  );
}
