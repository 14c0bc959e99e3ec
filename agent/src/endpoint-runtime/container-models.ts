/** Serves containers with api `openai` through the endpoint runtime. */
import type { Execution, Job, JobListener } from '@rma/workloads/runtime';
import type { KindServer, KindServerFactory } from '../docker/kind-server.js';
import { type EndpointLog, EndpointRuntime } from './endpoint.js';
import { LLM_WORKLOAD } from './endpoint-spec.js';

/** The factory for the docker runtime: an instance per container. */
export function openAiContainers(log: EndpointLog): KindServerFactory {
  return (changed) => new ContainerModels(log, changed);
}

class ContainerModels implements KindServer {
  readonly #log: EndpointLog;
  readonly #changed: () => void;
  #endpoint: EndpointRuntime | undefined;

  constructor(log: EndpointLog, changed: () => void) {
    this.#log = log;
    this.#changed = changed;
  }

  open(baseUrl: string): void {
    this.close();
    // The container's own service counts the slots.
    this.#endpoint = new EndpointRuntime({ name: LLM_WORKLOAD, baseUrl: `${baseUrl}/v1`, slots: 1 }, this.#log);
    this.#endpoint.start(this.#changed).catch((error: unknown) => {
      this.#log.warn({ err: error, baseUrl }, 'the models of a container cannot be listed');
    });
  }

  close(): void {
    this.#endpoint?.stop().catch((error: unknown) => {
      this.#log.warn({ err: error }, 'the tasks of a container did not stop cleanly');
    });
    this.#endpoint = undefined;
  }

  models(): readonly string[] {
    return this.#endpoint?.services()[0]?.models ?? [];
  }

  execute(job: Job, listener: JobListener): Execution {
    if (this.#endpoint) return this.#endpoint.execute(job, listener);
    const error = { code: 'service.unavailable', message: 'its container cannot be reached', retryable: true };
    return { done: Promise.resolve({ ok: false, error } as const), cancel: () => undefined };
  }
}
