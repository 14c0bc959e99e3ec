/**
 * The handler processes of one workload: one is kept warm, more are started on demand, processes <= slots; one that ends
 * is replaced, with a growing pause while they keep ending without a finished task.
 */
import type {
  Execution,
  Failure,
  Job,
  JobListener,
  LlmEndpoint,
  Outcome,
  ServiceState,
  ServiceStatus,
} from '../runtime.js';
import { cancelledFailure, LONGEST_TIMER_MS, stoppedFailure, timeoutFailure, unavailableFailure } from './failures.js';
import { HandlerProcess, type ProcessEnd } from './handler-process.js';
import type { EmbeddedService } from './service.js';

/** How a service in processes is made. */
export interface ProcessServiceOptions {
  readonly name: string;
  /** File URL of the module of handlers. */
  readonly module: string;
  /** Kinds as far as they are known before the module is loaded. */
  readonly kinds: readonly string[];
  readonly memoryMiB: number;
  readonly slots: number;
  /** How long its module may take to load; 30 s, unless given. */
  readonly loadTimeoutMs?: number;
  /** Scratch directory of its processes. */
  readonly home: string;
  /** Of a workload that keeps data. */
  readonly dataDir?: string | undefined;
  /** The LLM that its handlers may use at the moment. */
  readonly llm?: (() => LlmEndpoint | undefined) | undefined;
  /** Why the loaded module's kinds may not be served, or undefined. */
  refuse(kinds: readonly string[]): string | undefined;
  changed(): void;
  /** Logs a problem that the donor should see. */
  log(message: string): void;
  /** Logs a line that a process wrote. */
  output(line: string): void;
}

const LOAD_TIMEOUT_MS = 30_000;
/** A process beyond the first is ended after so long without a task. */
const IDLE_PROCESS_MS = 60_000;
const MIN_RESTART_PAUSE_MS = 500;
const MAX_RESTART_PAUSE_MS = 30_000;
/**
 * An idle process that holds more than this share of its limit is replaced: WebAssembly never gives memory back, and what
 * finished tasks left behind would make the next one fail.
 */
const REPLACE_ABOVE_SHARE = 0.6;

interface Waiting {
  readonly job: Job;
  readonly listener: JobListener;
  readonly settle: (outcome: Outcome) => void;
  process: HandlerProcess | undefined;
}

/** A workload whose handlers run in child processes. */
export class ProcessService implements EmbeddedService {
  readonly #options: ProcessServiceOptions;
  readonly #processes = new Set<HandlerProcess>();
  readonly #idleTimers = new Map<HandlerProcess, NodeJS.Timeout>();
  readonly #queue: Waiting[] = [];
  readonly #executions = new Set<Execution>();
  #kinds: readonly string[];
  #state: ServiceState = 'pending';
  #reason: string | undefined;
  /** Unintended ends in a row, without a finished task in between. */
  #failures = 0;
  #pause: NodeJS.Timeout | undefined;

  constructor(options: ProcessServiceOptions) {
    this.#options = options;
    this.#kinds = options.kinds;
  }

  start(): void {
    if (this.#state !== 'pending') return;
    this.#move('starting');
    this.#spawn();
  }

  status(): ServiceStatus {
    const { name, slots } = this.#options;
    const status = { name, runtime: 'embedded', state: this.#state, kinds: this.#kinds, slots } as const;
    return this.#reason === undefined ? status : { ...status, reason: this.#reason };
  }

  serves(kind: string): boolean {
    return this.#kinds.includes(kind);
  }

  execute(job: Job, listener: JobListener): Execution {
    let resolve: (outcome: Outcome) => void = () => undefined;
    const done = new Promise<Outcome>((fulfil) => {
      resolve = fulfil;
    });
    const waiting: Waiting = {
      job,
      listener,
      process: undefined,
      settle: (outcome) => {
        clearTimeout(timer);
        // A late cancel must not reach the next job of the same process.
        waiting.process = undefined;
        this.#executions.delete(execution);
        resolve(outcome);
      },
    };
    const stopWith = (failure: Failure): void => {
      if (waiting.process) waiting.process.abort(failure);
      else this.#dropQueued(waiting, failure);
    };
    const timer = setTimeout(() => stopWith(timeoutFailure(job)), Math.min(job.timeoutMs, LONGEST_TIMER_MS));
    const execution: Execution = { done, cancel: () => stopWith(cancelledFailure(job)) };
    this.#executions.add(execution);
    this.#accept(waiting);
    return execution;
  }

  async stop(): Promise<void> {
    this.#move('stopped');
    clearTimeout(this.#pause);
    for (const timer of this.#idleTimers.values()) clearTimeout(timer);
    const stopped = stoppedFailure();
    for (const waiting of [...this.#queue]) this.#dropQueued(waiting, stopped);
    for (const process of this.#processes) process.abort(stopped);
    const executions = [...this.#executions].map((execution) => execution.done);
    await Promise.all([...[...this.#processes].map((process) => process.end()), ...executions]);
  }

  #accept(waiting: Waiting): void {
    if (this.#state === 'stopped' || this.#state === 'unhealthy' || this.#state === 'pending') {
      const message = `${this.#options.name} is ${this.#state}${this.#reason === undefined ? '' : `: ${this.#reason}`}`;
      waiting.settle({ ok: false, error: unavailableFailure(message) });
      return;
    }
    this.#queue.push(waiting);
    this.#serve();
  }

  #dropQueued(waiting: Waiting, failure: Failure): void {
    const at = this.#queue.indexOf(waiting);
    if (at < 0) return;
    this.#queue.splice(at, 1);
    waiting.settle({ ok: false, error: failure });
  }

  /** Gives waiting jobs to idle processes, and starts another process while jobs wait and slots allow. */
  #serve(): void {
    for (const process of this.#processes) {
      if (!process.idle) continue;
      const waiting = this.#queue.shift();
      if (!waiting) return;
      clearTimeout(this.#idleTimers.get(process));
      waiting.process = process;
      process.run(waiting.job, waiting.listener, (outcome) => {
        if (outcome.ok || outcome.error.code !== 'crashed') this.#failures = 0;
        waiting.settle(outcome);
      });
    }
    const loading = [...this.#processes].filter((process) => !process.loaded).length;
    for (
      let missing = this.#queue.length - loading;
      missing > 0 && this.#processes.size < this.#options.slots;
      missing -= 1
    ) {
      if (this.#pause !== undefined) return;
      this.#spawn();
    }
  }

  #spawn(): void {
    const { name: workload, module, memoryMiB, home, dataDir, llm, output } = this.#options;
    const { loadTimeoutMs = LOAD_TIMEOUT_MS } = this.#options;
    const process: HandlerProcess = new HandlerProcess(
      { workload, module, memoryMiB, home, dataDir, llm, output, loadTimeoutMs },
      {
        loaded: (kinds) => this.#onLoaded(kinds),
        idle: () => this.#onIdle(process),
        ended: (end) => this.#onEnded(process, end),
      },
    );
    this.#processes.add(process);
  }

  #onLoaded(kinds: readonly string[]): string | undefined {
    if (this.#state === 'stopped') return undefined;
    const refusal = this.#options.refuse(kinds);
    if (refusal !== undefined) return refusal;
    const renamed = kinds.join() !== this.#kinds.join();
    this.#kinds = kinds;
    if (this.#state !== 'healthy' || renamed) this.#move('healthy');
    return undefined;
  }

  #onIdle(process: HandlerProcess): void {
    if (this.#state === 'stopped') return;
    if ((process.memoryMiB ?? 0) > this.#options.memoryMiB * REPLACE_ABOVE_SHARE) {
      void process.end();
      return;
    }
    this.#serve();
    if (!process.idle || this.#processes.size === 1) return;
    clearTimeout(this.#idleTimers.get(process));
    const timer = setTimeout(() => {
      if (process.idle && this.#processes.size > 1) void process.end();
    }, IDLE_PROCESS_MS);
    this.#idleTimers.set(process, timer);
  }

  #onEnded(process: HandlerProcess, end: ProcessEnd): void {
    this.#processes.delete(process);
    clearTimeout(this.#idleTimers.get(process));
    this.#idleTimers.delete(process);
    if (this.#state === 'stopped') return;
    if (end.cause === 'killed') {
      this.#ensureOne();
      return;
    }
    this.#failures += 1;
    this.#options.log(`${this.#options.name}: ${end.reason}`);
    // A first crash restarts at once, without a change of state; a module that does not load is reported at once.
    if (end.cause === 'crashed' && this.#failures === 1) this.#ensureOne();
    else this.#restartLater(end.reason);
  }

  #ensureOne(): void {
    if (this.#processes.size === 0 && this.#pause === undefined) this.#spawn();
    else this.#serve();
  }

  #restartLater(reason: string): void {
    if (![...this.#processes].some((process) => process.loaded)) {
      this.#move('unhealthy', reason);
      const failure = unavailableFailure(`${this.#options.name}: ${reason}`);
      for (const waiting of [...this.#queue]) this.#dropQueued(waiting, failure);
    }
    if (this.#pause !== undefined) return;
    const pauseMs = Math.min(MAX_RESTART_PAUSE_MS, MIN_RESTART_PAUSE_MS * 2 ** Math.min(this.#failures - 1, 10));
    this.#pause = setTimeout(() => {
      this.#pause = undefined;
      this.#ensureOne();
    }, pauseMs);
  }

  #move(state: ServiceState, reason?: string): void {
    if (this.#state === state && this.#reason === reason && state !== 'healthy') return;
    this.#state = state;
    this.#reason = reason;
    this.#options.changed();
  }
}
