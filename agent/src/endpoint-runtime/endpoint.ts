/**
 * The runtime of an inference server that the donor runs already (Ollama, vLLM, llama.cpp, anything with an OpenAI API). The
 * periodic listing of its models is the health check: a failure makes the service unhealthy, a success healthy again.
 */
import { errorMessage } from '@rma/protocol/error';
import { stoppedFailure } from '@rma/workloads/host/failures';
import type { Execution, Job, JobListener, Runtime, ServiceState, ServiceStatus } from '@rma/workloads/runtime';
import { type EndpointSpec, LLM_WORKLOAD } from './endpoint-spec.js';
import { executeOpenAi, type OpenAiExecution, type OpenAiTarget } from './execution.js';
import { ModelLister, type ServedModel, type ServerProduct } from './models.js';

/** The methods of a pino logger that are used. */
export interface EndpointLog {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
}

export interface EndpointTimes {
  /** Interval of health checks of a healthy server. */
  readonly intervalMs: number;
  /** Backoff after the first failed check; doubles up to `maxBackoffMs`. */
  readonly backoffMs: number;
  readonly maxBackoffMs: number;
  /** Timeout of a check. */
  readonly timeoutMs: number;
}

export const ENDPOINT_TIMES: EndpointTimes = {
  intervalMs: 15_000,
  backoffMs: 1_000,
  maxBackoffMs: 30_000,
  timeoutMs: 10_000,
};

export class EndpointRuntime implements Runtime {
  readonly #spec: EndpointSpec;
  readonly #log: EndpointLog;
  readonly #times: EndpointTimes;
  readonly #lister = new ModelLister();
  readonly #running = new Set<OpenAiExecution>();
  #state: ServiceState = 'pending';
  #reason: string | undefined;
  #models: readonly ServedModel[] = [];
  /** A detected server has no service until it answered once. */
  #found: boolean;
  #failures = 0;
  #changed: () => void = () => undefined;
  #timer: NodeJS.Timeout | undefined;
  #check: { readonly abort: AbortController; readonly done: Promise<void> } | undefined;

  constructor(spec: EndpointSpec, log: EndpointLog, times: EndpointTimes = ENDPOINT_TIMES) {
    this.#spec = spec;
    this.#log = log;
    this.#times = times;
    this.#found = spec.product === undefined;
  }

  async start(changed: () => void): Promise<void> {
    if (this.#state !== 'pending') throw new Error(`the endpoint ${this.#spec.name} was started twice`);
    this.#changed = changed;
    this.#move('starting');
    this.#checkNow();
  }

  services(): readonly ServiceStatus[] {
    if (!this.#found) return [];
    const { name, slots } = this.#spec;
    return [
      {
        name,
        runtime: 'endpoint',
        workload: LLM_WORKLOAD,
        state: this.#state,
        kinds: this.#kinds(),
        slots,
        models: this.#models.map((model) => model.name),
        ...(this.#reason === undefined ? {} : { reason: this.#reason }),
      },
    ];
  }

  /** For callers other than tasks that need a chat; undefined while the server is unhealthy or has no chat model. */
  get chatServer(): { readonly baseUrl: string; readonly key?: string; readonly model: string } | undefined {
    const model = this.#modelNames('chat')[0];
    if (this.#state !== 'healthy' || model === undefined) return undefined;
    const { baseUrl, key } = this.#spec;
    return { baseUrl, model, ...(key === undefined ? {} : { key }) };
  }

  execute(job: Job, listener: JobListener): Execution {
    if (this.#state !== 'healthy') {
      const message = `${this.#spec.name} is ${this.#state}${this.#reason === undefined ? '' : `: ${this.#reason}`}`;
      const error = { code: 'service.unavailable', message, retryable: true };
      return { done: Promise.resolve({ ok: false, error }), cancel: () => undefined };
    }
    const target: OpenAiTarget = {
      name: this.#spec.name,
      baseUrl: this.#spec.baseUrl,
      key: this.#spec.key,
      chatModels: this.#modelNames('chat'),
      embeddingModels: this.#modelNames('embedding'),
    };
    const execution = executeOpenAi(target, job, listener);
    this.#running.add(execution);
    const done = execution.done.then((outcome) => {
      this.#running.delete(execution);
      // Check at once, so that the next task does not fail for the same reason.
      if (
        !outcome.ok &&
        ['endpoint.unreachable', 'endpoint.unauthorized', 'model.unknown'].includes(outcome.error.code)
      )
        this.#checkNow();
      return outcome;
    });
    return { done, cancel: () => execution.cancel() };
  }

  async stop(): Promise<void> {
    this.#move('stopped');
    clearTimeout(this.#timer);
    this.#check?.abort.abort();
    for (const execution of this.#running) execution.stopWith(stoppedFailure());
    await Promise.all([this.#check?.done, ...[...this.#running].map((execution) => execution.done)]);
  }

  #kinds(): string[] {
    const uses = new Set(this.#models.map((model) => model.use));
    return [...(uses.has('chat') ? ['llm.chat'] : []), ...(uses.has('embedding') ? ['text.embed'] : [])];
  }

  #modelNames(use: ServedModel['use']): string[] {
    return this.#models.filter((model) => model.use === use).map((model) => model.name);
  }

  #checkNow(): void {
    if (this.#state === 'stopped' || this.#check !== undefined) return;
    clearTimeout(this.#timer);
    const abort = new AbortController();
    const timeout = setTimeout(() => abort.abort(), this.#times.timeoutMs);
    const done = this.#lister
      .list(this.#spec, abort.signal)
      .then(
        ({ product, models }) => this.#succeeded(product, models),
        (error: unknown) => this.#failed(abort.signal.aborted ? 'it does not answer in time' : errorMessage(error)),
      )
      .finally(() => {
        clearTimeout(timeout);
        this.#check = undefined;
        if (this.#state === 'stopped') return;
        this.#timer = setTimeout(() => this.#checkNow(), this.#waitMs());
      });
    this.#check = { abort, done };
  }

  #waitMs(): number {
    const { intervalMs, backoffMs, maxBackoffMs } = this.#times;
    // Most machines have no such server: a detected one is looked for at the longest interval.
    if (!this.#found) return maxBackoffMs;
    if (this.#state === 'healthy') return intervalMs;
    return Math.min(maxBackoffMs, backoffMs * 2 ** Math.min(this.#failures - 1, 10));
  }

  #succeeded(product: ServerProduct, models: readonly ServedModel[]): void {
    if (this.#state === 'stopped') return;
    const { name, baseUrl, product: expected } = this.#spec;
    if (!this.#found) {
      if (product !== expected) return;
      this.#found = true;
      this.#log.info(
        { service: name, url: baseUrl },
        `found ${product} at ${baseUrl}: its models are offered to the pool (--no-detect turns this off)`,
      );
    }
    if (models.length === 0) {
      this.#failures += 1;
      this.#models = [];
      const remedy = product === 'ollama' ? '; get one with, for example, `ollama pull llama3.2`' : '';
      this.#move('unhealthy', `${baseUrl} has no models for chat or embeddings${remedy}`);
      return;
    }
    this.#failures = 0;
    const same = JSON.stringify(models) === JSON.stringify(this.#models);
    this.#models = models;
    this.#move('healthy', undefined, !same);
  }

  #failed(reason: string): void {
    if (this.#state === 'stopped') return;
    this.#failures += 1;
    this.#move('unhealthy', reason.includes(this.#spec.baseUrl) ? reason : `${this.#spec.baseUrl}: ${reason}`);
  }

  #move(state: ServiceState, reason?: string, modelsChanged = false): void {
    if (this.#state === state && this.#reason === reason && !modelsChanged) return;
    this.#state = state;
    this.#reason = reason;
    this.#changed();
  }
}
