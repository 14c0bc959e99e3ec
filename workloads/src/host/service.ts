/** The contract of one embedded workload's service on this machine, and the service of a workload that cannot run here. */
import type { Execution, Job, JobListener, ServiceState, ServiceStatus } from '../runtime.js';
import { failedExecution, unavailableFailure } from './failures.js';

/** One embedded workload, wherever its handlers run. */
export interface EmbeddedService {
  start(): void;
  status(): ServiceStatus;
  serves(kind: string): boolean;
  execute(job: Job, listener: JobListener): Execution;
  /** Ends every execution and process; resolves when none is left. */
  stop(): Promise<void>;
}

/** Stays unhealthy, with the reason why the workload cannot run on this machine. */
export class UnavailableService implements EmbeddedService {
  readonly #name: string;
  readonly #reason: string;
  readonly #changed: () => void;
  #state: ServiceState = 'pending';

  constructor(name: string, reason: string, changed: () => void) {
    this.#name = name;
    this.#reason = reason;
    this.#changed = changed;
  }

  start(): void {
    this.#state = 'unhealthy';
    this.#changed();
  }

  status(): ServiceStatus {
    return { name: this.#name, runtime: 'embedded', state: this.#state, kinds: [], slots: 0, reason: this.#reason };
  }

  serves(): boolean {
    return false;
  }

  execute(job: Job): Execution {
    return failedExecution(unavailableFailure(`${job.kind}: ${this.#reason}`));
  }

  async stop(): Promise<void> {
    this.#state = 'stopped';
    this.#changed();
  }
}
