/**
 * One `container.run` task, from its input files to its result. Its container and volume are removed before the outcome is
 * reported, however it ended; those of a killed agent are found by their labels at the next start.
 */
import { randomBytes } from 'node:crypto';
import { errorMessage } from '@rma/protocol/error';
import { imageRef } from '@rma/protocol/image-pattern';
import { cancelledFailure, LONGEST_TIMER_MS, timeoutFailure } from '@rma/workloads/host/failures';
import { type Failure, type Job, type JobListener, type Outcome, TaskError } from '@rma/workloads/runtime';
import { plainLine } from '../plain-line.js';
import type { ContainerHost } from './container-host.js';
import { EngineError } from './engine/engine-error.js';
import { globMatcher } from './glob.js';
import { PullError } from './images.js';
import type { ContainerRunInput } from './job-input.js';
import { JobLog } from './job-log.js';
import { ofJobs } from './labels.js';
import { JOB_DIR, JOB_MOUNT, type JobLimits, jobOptions } from './profile.js';
import { startReason } from './reasons.js';
import { packFiles, unpackFiles } from './tar.js';

const MAX_OUTPUT_FILES = 1_000;
const MAX_OUTPUT_BYTES = 48 * 1_048_576;

/** The output of `container.run`. */
export interface ContainerRunOutput {
  readonly exitCode: number;
  readonly files: readonly { readonly path: string; readonly content: Uint8Array }[];
  /** The tail of both streams. */
  readonly log: string;
  readonly oomKilled: boolean;
  readonly durationMs: number;
}

export class ContainerJob {
  readonly done: Promise<Outcome>;
  readonly #host: ContainerHost;
  readonly #job: Job;
  readonly #input: ContainerRunInput;
  readonly #limits: JobLimits;
  readonly #listener: JobListener;
  readonly #abort = new AbortController();
  /** Why it was stopped from outside; takes precedence over its own outcome. */
  #stopReason: Failure | undefined;
  #container: string | undefined;

  constructor(host: ContainerHost, job: Job, input: ContainerRunInput, limits: JobLimits, listener: JobListener) {
    this.#host = host;
    this.#job = job;
    this.#input = input;
    this.#limits = limits;
    this.#listener = listener;
    this.done = this.#execute();
  }

  cancel(): void {
    this.stopWith(cancelledFailure(this.#job));
  }

  stopWith(failure: Failure): void {
    this.#stopReason ??= failure;
    this.#abort.abort();
    if (this.#container === undefined) return;
    this.#host.engine.containers.kill(this.#container).catch((error: unknown) => {
      this.#host.log.warn({ error: String(error) }, 'the container of a task could not be killed');
    });
  }

  async #execute(): Promise<Outcome> {
    const name = `rma-job-${randomBytes(8).toString('hex')}`;
    const timer = setTimeout(
      () => this.stopWith(timeoutFailure(this.#job)),
      Math.min(this.#job.timeoutMs, LONGEST_TIMER_MS),
    );
    let outcome: Outcome;
    try {
      outcome = await this.#run(name);
    } catch (error) {
      outcome = { ok: false, error: failureOf(error) };
    }
    clearTimeout(timer);
    await this.#cleanUp(name);
    return this.#stopReason === undefined ? outcome : { ok: false, error: this.#stopReason };
  }

  async #run(name: string): Promise<Outcome> {
    const { engine, images, owner } = this.#host;
    const { image, digest, command, env, files } = this.#input;
    const { signal } = this.#abort;
    const ref = imageRef(image, digest);
    await images.ensure(
      ref,
      ({ bytes, totalBytes }) =>
        this.#listener.progress(0, `pulling ${image}: ${mib(bytes)} of ${mib(totalBytes)} MiB`),
      signal,
    );
    const labels = { ...ofJobs(owner.agent), 'rma.worker': owner.worker };
    signal.throwIfAborted();
    await engine.volumes.create(name, labels);
    const container = await engine.containers.create(
      jobOptions({ ...this.#limits, name, image: ref, command, env: env ?? {}, labels, volume: name }),
    );
    this.#container = container;
    await engine.containers.putArchive(container, packFiles(JOB_DIR.slice(JOB_MOUNT.length + 1), files), JOB_MOUNT);
    const log = new JobLog((chunk) => this.#listener.chunk(chunk));
    const written = await engine.containers.attach(container);
    const reading = (async () => {
      for await (const piece of written) log.append(piece);
    })();
    signal.throwIfAborted();
    const startedAtMs = performance.now();
    const limitMs = (this.#input.timeoutSeconds ?? 0) * 1_000;
    const timer = limitMs === 0 ? undefined : setTimeout(() => this.stopWith(tooLong(this.#input)), limitMs);
    try {
      await engine.containers.start(container);
      // A cancel between the check above and the start found no running container to kill.
      if (signal.aborted) await engine.containers.kill(container);
      const exitCode = await engine.containers.wait(container, new AbortController().signal);
      const durationMs = Math.round(performance.now() - startedAtMs);
      clearTimeout(timer);
      await reading.catch(() => undefined);
      log.flush();
      if (this.#stopReason !== undefined) return { ok: false, error: this.#stopReason };
      return await this.#result(container, exitCode, durationMs, log.tail);
    } finally {
      clearTimeout(timer);
      log.flush();
      reading.catch(() => undefined);
    }
  }

  async #result(container: string, exitCode: number, durationMs: number, log: string): Promise<Outcome> {
    const { engine } = this.#host;
    const state = await engine.containers.inspect(container);
    const oomKilled = state?.oomKilled === true;
    if (this.#input.check === true && exitCode !== 0) {
      const end = oomKilled
        ? `was killed above its ${this.#limits.memoryMiB} MiB (memoryMiB)`
        : `exited with ${exitCode}`;
      const last = plainLine(log.trimEnd().split('\n').at(-1) ?? '', 500);
      const code = oomKilled ? 'memory' : 'container.exit';
      return {
        ok: false,
        error: { code, message: `the container ${end}${last === '' ? '' : `: ${last}`}`, retryable: false },
      };
    }
    const files = await this.#files(container);
    const output: ContainerRunOutput = { exitCode, files, log, oomKilled, durationMs };
    return { ok: true, output };
  }

  async #files(container: string): Promise<ContainerRunOutput['files']> {
    const { outputs = [] } = this.#input;
    if (outputs.length === 0) return [];
    const archive = await this.#host.engine.containers.getArchive(container, JOB_DIR);
    try {
      return await unpackFiles(archive, {
        matches: globMatcher(outputs),
        maxFiles: MAX_OUTPUT_FILES,
        maxBytes: MAX_OUTPUT_BYTES,
      });
    } catch (error) {
      const message = `the output files cannot be read: ${errorMessage(error)}`;
      throw new TaskError('output.too_large', message, false);
    }
  }

  async #cleanUp(name: string): Promise<void> {
    const { engine, log } = this.#host;
    try {
      await engine.containers.remove(name);
      await engine.volumes.remove(name);
    } catch (error) {
      log.warn({ container: name }, `${name} could not be removed (${String(error)}): the next start does`);
    }
  }
}

function failureOf(error: unknown): Failure {
  if (error instanceof TaskError) return { code: error.code, message: error.message, retryable: error.retryable };
  if (error instanceof PullError) return { code: 'image.unavailable', message: error.message, retryable: true };
  if (error instanceof EngineError && error.gone) {
    return { code: 'engine.gone', message: `the container engine does not answer (${error.message})`, retryable: true };
  }
  const message = errorMessage(error);
  return { code: 'container.start', message: startReason(message), retryable: false };
}

function tooLong({ timeoutSeconds }: ContainerRunInput): Failure {
  return {
    code: 'timeout',
    message: `the container ran longer than its ${timeoutSeconds} s (timeoutSeconds) and was killed`,
    retryable: false,
  };
}

const mib = (bytes: number) => Math.round(bytes / 1_048_576);
