/** Stands for a workload that cannot run on this machine: says why, and takes no task. */
import type { Execution, Job, ServiceState, ServiceStatus } from '../runtime.js';
import type { EmbeddedService } from './process-service.js';

/** A service that stays unhealthy. */
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
    return {
      name: this.#name,
      runtime: 'embedded',
      state: this.#state,
      kinds: [],
      slots: 0,
      reason: this.#reason,
    };
  }

  serves(): boolean {
    return false;
  }

  execute(job: Job): Execution {
    const error = { code: 'service.unavailable', message: `${job.kind}: ${this.#reason}`, retryable: true };
    return { done: Promise.resolve({ ok: false, error }), cancel: () => undefined };
  }

  async stop(): Promise<void> {
    this.#state = 'stopped';
    this.#changed();
  }
}
