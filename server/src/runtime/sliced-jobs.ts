/**
 * Sliced jobs: work on many rows or files, cut into slices of bounded size that run between two turns. A job keeps no
 * cursor of its own where what is left can be read from the disk, so that a crash costs the slice under way at most.
 * Invariant: slices take at most a third of the time, and no less while there is more to do, as long as turns are short.
 */
import { type Awaitable, StorageFull } from '../store/store.js';

/** Slices may take half as long as what came between them. */
const WORK_TO_REST = 1 / 2;
/**
 * Slices without a turn between them, after a long turn; so after one of T ms slices have min(T / 2, this). Pruning a task
 * costs a sixth of what accepting and running it does: it keeps up with turns of up to 6 x this.
 */
const MAX_PASS_MS = 100;
/** How long a job rests that failed, in ms. */
const RETRY_MS = 10_000;

export interface SlicedJob {
  readonly name: string;
  /** How long it rests when nothing is left to do, in ms; infinite: it runs once. */
  readonly everyMs: number;
  /** Does a bounded piece, and has it on disk when it returns; true when there is more, which then follows without a rest. */
  slice(): Awaitable<boolean>;
}

export interface SlicedJobsPorts {
  readonly nowMs: () => number;
  /** Of a slice that failed for want of room, or by the file system: the job is tried again after RETRY_MS. */
  readonly failed: (job: string, error: unknown) => void;
  /** A broken invariant: the process must stop rather than write from a wrong state. */
  readonly fatal: (error: unknown) => void;
}

export class SlicedJobs {
  readonly #ports: SlicedJobsPorts;
  readonly #jobs: { readonly job: SlicedJob; dueAtMs: number }[];
  #timer: NodeJS.Timeout | undefined;
  #pass: Promise<void> = Promise.resolve();
  /** Since when a slice could have run: until then nothing was due. */
  #waitedSinceMs: number;
  #stopped = false;

  /** They begin at once. */
  constructor(jobs: readonly SlicedJob[], ports: SlicedJobsPorts) {
    this.#ports = ports;
    this.#waitedSinceMs = ports.nowMs();
    this.#jobs = jobs.map((job) => ({ job, dueAtMs: this.#waitedSinceMs }));
    this.#wake(0);
  }

  /** Resolves once the slice under way is over. */
  async stop(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#timer);
    await this.#pass;
  }

  #wake(afterMs: number): void {
    if (this.#stopped) return;
    const passes = () => {
      this.#pass = this.#runPass().catch((error: unknown) => {
        this.#stopped = true;
        this.#ports.fatal(error);
      });
    };
    this.#timer = setTimeout(passes, afterMs);
  }

  /** One slice, and more after a long turn, which must not starve the jobs. */
  async #runPass(): Promise<void> {
    const { nowMs } = this.#ports;
    const began = nowMs();
    const allowedMs = Math.min((began - this.#waitedSinceMs) * WORK_TO_REST, MAX_PASS_MS);
    for (let next = this.#next(); next && !this.#stopped; next = this.#next()) {
      const restMs = await this.#slice(next.job);
      next.dueAtMs = nowMs() + restMs;
      if (nowMs() - began >= allowedMs) break;
    }
    const ended = nowMs();
    const dueAtMs = Math.min(...this.#jobs.map((each) => each.dueAtMs));
    this.#waitedSinceMs = Math.max(ended, dueAtMs);
    if (dueAtMs < Number.POSITIVE_INFINITY) this.#wake(Math.max(dueAtMs - ended, (ended - began) / WORK_TO_REST));
  }

  /** The one that is due for the longest time: jobs with more to do take turns. */
  #next(): { readonly job: SlicedJob; dueAtMs: number } | undefined {
    const first = this.#jobs.reduce((a, b) => (b.dueAtMs < a.dueAtMs ? b : a));
    return first.dueAtMs <= this.#ports.nowMs() ? first : undefined;
  }

  /** @returns how long the job rests after it, in ms */
  async #slice(job: SlicedJob): Promise<number> {
    try {
      return (await job.slice()) ? 0 : job.everyMs;
    } catch (error) {
      if (!(error instanceof StorageFull) && !isOfFileSystem(error)) throw error;
      this.#ports.failed(job.name, error);
      return RETRY_MS;
    }
  }
}

function isOfFileSystem(error: unknown): boolean {
  return error instanceof Error && 'syscall' in error;
}
