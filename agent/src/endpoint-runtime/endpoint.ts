/**
 * A server that the donor already runs (Ollama, vLLM, llama.cpp, anything with an OpenAI API) as a runtime. Its models are
 * listed again and again, which is the health check, too: away is unhealthy with the reason, back is healthy.
 */
import { stoppedFailure } from '@rma/workloads/host/failures';
import type { Execution, Job, JobListener, Runtime, ServiceState, ServiceStatus } from '@rma/workloads/runtime';
import { type EndpointSpec, LLM_WORKLOAD } from './endpoint-spec.js';
import { executeOpenAi, type OpenAiExecution, type OpenAiTarget } from './execution.js';
import { ModelLister, type ServedModel, type ServerProduct } from './models.js';

/** The part of a pino logger that is used. */
export interface EndpointLog {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
}

export interface EndpointTimes {
  /** Between two looks at a healthy server. */
  readonly everyMs: number;
  /** After the first failed look; doubled up to `longestPauseMs`. */
  readonly firstPauseMs: number;
  readonly longestPauseMs: number;
  /** How long a look may take. */
  readonly lookMs: number;
}

export const ENDPOINT_TIMES: EndpointTimes = {
  everyMs: 15_000,
  firstPauseMs: 1_000,
  longestPauseMs: 30_000,
  lookMs: 10_000,
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
  /** One that was only looked for stays unseen until it was there once. */
  #found: boolean;
  #failures = 0;
  #changed: () => void = () => undefined;
  #timer: NodeJS.Timeout | undefined;
  #look: { readonly abort: AbortController; readonly done: Promise<void> } | undefined;

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
    this.#lookNow();
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

  /** The server as whoever needs a chat uses it beside the tasks; undefined while it is not healthy or has no chat model. */
  get chatServer(): { readonly baseUrl: string; readonly key?: string; readonly model: string } | undefined {
    const model = this.#named('chat')[0];
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
      chatModels: this.#named('chat'),
      embeddingModels: this.#named('embedding'),
    };
    const execution = executeOpenAi(target, job, listener);
    this.#running.add(execution);
    const done = execution.done.then((outcome) => {
      this.#running.delete(execution);
      // Find out at once rather than let the next task run into the same.
      if (
        !outcome.ok &&
        ['endpoint.unreachable', 'endpoint.unauthorized', 'model.unknown'].includes(outcome.error.code)
      )
        this.#lookNow();
      return outcome;
    });
    return { done, cancel: () => execution.cancel() };
  }

  async stop(): Promise<void> {
    this.#move('stopped');
    clearTimeout(this.#timer);
    this.#look?.abort.abort();
    for (const execution of this.#running) execution.stopWith(stoppedFailure());
    await Promise.all([this.#look?.done, ...[...this.#running].map((execution) => execution.done)]);
  }

  #kinds(): string[] {
    const uses = new Set(this.#models.map((model) => model.use));
    return [...(uses.has('chat') ? ['llm.chat'] : []), ...(uses.has('embedding') ? ['text.embed'] : [])];
  }

  #named(use: ServedModel['use']): string[] {
    return this.#models.filter((model) => model.use === use).map((model) => model.name);
  }

  #lookNow(): void {
    if (this.#state === 'stopped' || this.#look !== undefined) return;
    clearTimeout(this.#timer);
    const abort = new AbortController();
    const tooLong = setTimeout(() => abort.abort(), this.#times.lookMs);
    const done = this.#lister
      .list(this.#spec, abort.signal)
      .then(
        ({ product, models }) => this.#seen(product, models),
        (error: unknown) => this.#missed(abort.signal.aborted ? 'it does not answer in time' : textOf(error)),
      )
      .finally(() => {
        clearTimeout(tooLong);
        this.#look = undefined;
        if (this.#state === 'stopped') return;
        this.#timer = setTimeout(() => this.#lookNow(), this.#pauseMs());
      });
    this.#look = { abort, done };
  }

  #pauseMs(): number {
    const { everyMs, firstPauseMs, longestPauseMs } = this.#times;
    // The unseen may well never come.
    if (!this.#found) return longestPauseMs;
    if (this.#state === 'healthy') return everyMs;
    return Math.min(longestPauseMs, firstPauseMs * 2 ** Math.min(this.#failures - 1, 10));
  }

  #seen(product: ServerProduct, models: readonly ServedModel[]): void {
    if (this.#state === 'stopped') return;
    const { name, baseUrl, product: looked } = this.#spec;
    if (!this.#found) {
      if (product !== looked) return;
      this.#found = true;
      this.#log.info(
        { service: name, url: baseUrl },
        `found ${product} at ${baseUrl}: its models are offered to the pool (--no-detect to keep them to yourself)`,
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

  #missed(reason: string): void {
    if (this.#state === 'stopped') return;
    this.#failures += 1;
    this.#move('unhealthy', reason.includes(this.#spec.baseUrl) ? reason : `${this.#spec.baseUrl}: ${reason}`);
  }

  #move(state: ServiceState, reason?: string, anyway = false): void {
    if (this.#state === state && this.#reason === reason && !anyway) return;
    this.#state = state;
    this.#reason = reason;
    this.#changed();
  }
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
