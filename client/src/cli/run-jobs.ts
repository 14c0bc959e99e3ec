/** Submits jobs with a bounded window in flight, so that neither memory nor the pool's queue grows with their number. */
import type { Client } from '../client.js';
import type { TaskHandle } from '../task.js';
import type { TaskResult } from '../task-result.js';
import type { NamedJob } from './submit-input.js';
import { type ResultRecord, refusalRecord, resultRecord } from './task-output.js';

export interface JobOutcome {
  readonly job: NamedJob;
  readonly record: ResultRecord;
  /** Undefined if the task was refused, or without `wait`. */
  readonly result?: TaskResult;
}

export interface RunOptions {
  /** Wait for the end of each task, not only for its acceptance. */
  readonly wait: boolean;
  /** Tasks in flight at most. */
  readonly window: number;
  /** Called once per job, in the order in which they end; awaited, so that a slow output throttles the submits. */
  onOutcome(outcome: JobOutcome): Promise<void>;
}

/** One run over all jobs; its counters are read when the command is interrupted. */
export class JobRun {
  readonly inFlight = new Set<TaskHandle>();
  submitted = 0;
  accepted = 0;
  #bytes = 0;
  #failure: { readonly error: unknown } | undefined;
  #wake: (() => void) | undefined;
  readonly #client: Client;
  readonly #options: RunOptions;

  constructor(client: Client, options: RunOptions) {
    this.#client = client;
    this.#options = options;
  }

  /** @throws what made the client give up, or `jobs` fail; outcomes reported before stand */
  async run(jobs: AsyncIterable<NamedJob>): Promise<void> {
    for await (const job of jobs) {
      while (!this.#hasRoom(job) && !this.#failure) await this.#change();
      if (this.#failure) break;
      this.#start(job);
    }
    while (this.inFlight.size > 0 && !this.#failure) await this.#change();
    if (this.#failure) throw this.#failure.error;
  }

  #hasRoom(job: NamedJob): boolean {
    if (this.inFlight.size === 0) return true;
    return this.inFlight.size < this.#options.window && this.#bytes + job.bytes <= MAX_BYTES;
  }

  #change(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }

  #start(named: NamedJob): void {
    const { kind, input, ...options } = named.job;
    const task = this.#client.submit(kind, input, { ...options, watch: this.#options.wait });
    this.inFlight.add(task);
    this.#bytes += named.bytes;
    this.submitted += 1;
    this.#follow(named, task)
      .catch((error: unknown) => {
        this.#failure ??= { error };
      })
      .finally(() => {
        this.inFlight.delete(task);
        this.#bytes -= named.bytes;
        this.#wake?.();
      });
  }

  async #follow(job: NamedJob, task: TaskHandle): Promise<void> {
    try {
      await task.accepted;
      this.accepted += 1;
      // Once a task is accepted, wait through any outage of the coordinator.
      this.#client.offlineTimeoutMs = undefined;
    } catch (error) {
      await this.#options.onOutcome({ job, record: refusalRecord(task.id, job.job.kind, error) });
      return;
    }
    if (!this.#options.wait) {
      await this.#options.onOutcome({ job, record: acceptedRecord(task.id, job.job.kind) });
      return;
    }
    const result = await task.result();
    await this.#options.onOutcome({ job, record: resultRecord(result), result });
  }
}

const MAX_BYTES = 64 * 1_048_576;

function acceptedRecord(id: string, kind: string): ResultRecord {
  return { id, kind, state: 'accepted', output: null, error: null, worker: null, attempts: 0, timings: null };
}
