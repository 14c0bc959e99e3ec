/** Stands where an assigned workload would run that the donor does not allow: nothing runs, and the services say why. */
import type { Execution, Runtime, ServiceStatus } from '@rma/workloads/runtime';

export class DeclinedWorkload implements Runtime {
  readonly #status: ServiceStatus;

  constructor(workload: string, runtime: ServiceStatus['runtime'], reason: string) {
    this.#status = { name: workload, runtime, state: 'stopped', kinds: [], slots: 0, reason };
  }

  start(): Promise<void> {
    return Promise.resolve();
  }

  services(): readonly ServiceStatus[] {
    return [this.#status];
  }

  /** Never called: it serves no kind. */
  execute(): Execution {
    const error = { code: 'refused', message: this.#status.reason ?? 'not allowed', retryable: true };
    return { done: Promise.resolve({ ok: false, error }), cancel: () => undefined };
  }

  stop(): Promise<void> {
    return Promise.resolve();
  }
}
