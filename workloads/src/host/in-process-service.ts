/**
 * A workload whose handlers run inside the agent: for light built-in ones that stop on their signal.
 */
import type {
  Execution,
  Failure,
  Handler,
  Job,
  JobListener,
  Outcome,
  ServiceState,
  ServiceStatus,
} from '../runtime.js';
import {
  cancelledFailure,
  failedExecution,
  LONGEST_TIMER_MS,
  stoppedFailure,
  timeoutFailure,
  unavailableFailure,
} from './failures.js';
import { runHandler } from './run-handler.js';
import type { EmbeddedService } from './service.js';

interface Running extends Execution {
  stopWith(failure: Failure): void;
}

/** A service without processes. */
export class InProcessService implements EmbeddedService {
  readonly #name: string;
  readonly #handlers: Readonly<Record<string, Handler>>;
  readonly #slots: number;
  readonly #changed: () => void;
  readonly #running = new Set<Running>();
  #state: ServiceState = 'pending';

  constructor(name: string, handlers: Readonly<Record<string, Handler>>, slots: number, changed: () => void) {
    this.#name = name;
    this.#handlers = handlers;
    this.#slots = slots;
    this.#changed = changed;
  }

  start(): void {
    this.#state = 'healthy';
    this.#changed();
  }

  status(): ServiceStatus {
    const kinds = Object.keys(this.#handlers);
    return { name: this.#name, runtime: 'embedded', state: this.#state, kinds, slots: this.#slots };
  }

  serves(kind: string): boolean {
    return Object.hasOwn(this.#handlers, kind);
  }

  execute(job: Job, listener: JobListener): Execution {
    if (this.#state !== 'healthy') {
      return failedExecution(unavailableFailure(`${this.#name} is ${this.#state}`));
    }
    const abort = new AbortController();
    let stopFailure: Failure | undefined;
    const stopWith = (failure: Failure): void => {
      stopFailure ??= failure;
      abort.abort();
    };
    const timer = setTimeout(() => stopWith(timeoutFailure(job)), Math.min(job.timeoutMs, LONGEST_TIMER_MS));
    const done = runHandler(this.#handlers[job.kind], job.kind, job.input, {
      signal: abort.signal,
      progress: (fraction, note) => listener.progress(fraction, note),
      chunk: (value) => listener.chunk(value),
    }).then((outcome): Outcome => {
      clearTimeout(timer);
      this.#running.delete(execution);
      return stopFailure ? { ok: false, error: stopFailure } : outcome;
    });
    const execution: Running = { done, stopWith, cancel: () => stopWith(cancelledFailure(job)) };
    this.#running.add(execution);
    return execution;
  }

  async stop(): Promise<void> {
    this.#state = 'stopped';
    for (const execution of this.#running) execution.stopWith(stoppedFailure());
    await Promise.all([...this.#running].map((execution) => execution.done));
    this.#changed();
  }
}
