/**
 * The runtime of one GGUF file: a service `llm.chat` whose handler process holds the model. Process, memory limit, restarts
 * with backoff and cancelling are those of the embedded workloads.
 */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { ProcessService } from '@rma/workloads/host/process-service';
import type { Execution, Job, JobListener, Runtime, ServiceStatus } from '@rma/workloads/runtime';
import { LLM_WORKLOAD } from '../endpoint-runtime/endpoint-spec.js';
import type { GgufSpec } from './gguf-spec.js';

export interface GgufRuntimeOptions {
  readonly model: GgufSpec;
  /** Parent of the process's scratch directory. */
  readonly scratch: string;
  /** Directory in which node-llama-cpp may be installed, besides the agent's own. */
  readonly packageDir: string;
  readonly log: { debug(fields: object, message: string): void; warn(fields: object, message: string): void };
}

/** Loading a large file from a slow disk takes minutes. */
const LOAD_TIMEOUT_MS = 10 * 60_000;
/** Memory limit = 2 * file + this, for context cache and buffers. A typical process stays below 0.6 of the limit. */
const OVERHEAD_MIB = 4_096;

/** Makes the runtime of one model; nothing runs before `start`. */
export function createGgufRuntime(options: GgufRuntimeOptions): Runtime {
  return new GgufRuntime(options);
}

class GgufRuntime implements Runtime {
  readonly #options: GgufRuntimeOptions;
  #service: ProcessService | undefined;
  #home: string | undefined;

  constructor(options: GgufRuntimeOptions) {
    this.#options = options;
  }

  async start(changed: () => void): Promise<void> {
    if (this.#service !== undefined) throw new Error('the runtime of a model was started twice');
    const { model, scratch, packageDir, log } = this.#options;
    const { service: name, slots } = model;
    mkdirSync(scratch, { recursive: true, mode: 0o700 });
    this.#home = mkdtempSync(join(scratch, 'rma-worker-'));
    const module = new URL('./handlers.js', import.meta.url);
    module.searchParams.set('name', model.name);
    module.searchParams.set('path', model.path);
    module.searchParams.set('context', String(model.contextTokens));
    module.searchParams.set('packages', packageDir);
    this.#service = new ProcessService({
      name,
      module: module.href,
      kinds: ['llm.chat'],
      memoryMiB: Math.ceil(2 * model.sizeMiB) + OVERHEAD_MIB,
      slots,
      loadTimeoutMs: LOAD_TIMEOUT_MS,
      home: this.#home,
      refuse: () => undefined,
      changed,
      log: (message) => log.warn({ service: name }, message),
      output: (line) => log.debug({ service: name }, line),
    });
    this.#service.start();
  }

  services(): readonly ServiceStatus[] {
    if (this.#service === undefined) return [];
    return [{ ...this.#service.status(), workload: LLM_WORKLOAD, models: [this.#options.model.name] }];
  }

  execute(job: Job, listener: JobListener): Execution {
    if (this.#service !== undefined) return this.#service.execute(job, listener);
    const error = { code: 'service.unavailable', message: 'the model is not started', retryable: true };
    return { done: Promise.resolve({ ok: false, error }), cancel: () => undefined };
  }

  async stop(): Promise<void> {
    await this.#service?.stop();
    if (this.#home !== undefined) rmSync(this.#home, { recursive: true, force: true });
  }
}
