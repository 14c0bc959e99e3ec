/** The docker runtime: one assigned workload in its container. */
import type { ContainerSpec } from '@rma/protocol/workload';
import type { Execution, Job, JobListener, LogLine, Runtime, ServiceStatus } from '@rma/workloads/runtime';
import type { ContainerHost } from './container-host.js';
import { ContainerService } from './container-service.js';
import type { Address } from './health.js';
import { httpKindServer } from './http-kinds.js';
import type { KindServer, KindServerFactory } from './kind-server.js';

export interface DockerRuntimeOptions {
  readonly host: ContainerHost;
  readonly workload: string;
  readonly container: ContainerSpec;
  /** For containers whose api is `openai`; without it they serve no kinds. */
  readonly openai?: KindServerFactory | undefined;
}

export class DockerRuntime implements Runtime {
  readonly #options: DockerRuntimeOptions;
  readonly #service: ContainerService;
  #server: KindServer | undefined;
  #address: Address | undefined;
  #changed: () => void = () => undefined;

  constructor(options: DockerRuntimeOptions) {
    this.#options = options;
    this.#server = this.#serverOf(options.container);
    this.#service = new ContainerService(options.host, options.workload, options.container, {
      changed: () => this.#changed(),
      reachable: (address) => this.#reachable(address),
    });
  }

  /** `http://HOST:PORT` while it is healthy. */
  get baseUrl(): string | undefined {
    return this.#address && `http://${this.#address.host}:${this.#address.port}`;
  }

  start(changed: () => void): Promise<void> {
    this.#changed = changed;
    this.#service.start();
    return Promise.resolve();
  }

  /** Replaces image or configuration of the workload, once the new image is pulled. */
  update(container: ContainerSpec): void {
    const before = this.#service.spec;
    this.#service.update(container);
    if (JSON.stringify([before.api, before.requests]) === JSON.stringify([container.api, container.requests])) return;
    this.#server?.close();
    this.#server = this.#serverOf(container);
  }

  services(): readonly ServiceStatus[] {
    const { workload } = this.#options;
    const { kinds, slots } = this.#service.spec;
    const models = this.#server?.models() ?? [];
    return [
      {
        name: workload,
        runtime: 'docker',
        kinds: this.#server === undefined ? [] : kinds,
        slots: this.#server === undefined ? 0 : slots,
        workload,
        ...this.#service.status,
        ...(models.length === 0 ? {} : { models }),
      },
    ];
  }

  execute(job: Job, listener: JobListener): Execution {
    if (this.#server !== undefined && this.#service.spec.kinds.includes(job.kind))
      return this.#server.execute(job, listener);
    const message = `the container of ${this.#options.workload} serves no ${job.kind}`;
    const done = Promise.resolve({ ok: false, error: { code: 'kind.unknown', message, retryable: true } } as const);
    return { done, cancel: () => undefined };
  }

  logs(lines: number, since: string | undefined): Promise<readonly LogLine[]> {
    return this.#service.logs(lines, since);
  }

  async stop(): Promise<void> {
    this.#server?.close();
    await this.#service.stop();
  }

  #reachable(address: Address | undefined): void {
    this.#address = address;
    const { baseUrl } = this;
    if (baseUrl === undefined) this.#server?.close();
    else this.#server?.open(baseUrl);
  }

  #serverOf(spec: ContainerSpec): KindServer | undefined {
    if (spec.api === undefined || spec.port === undefined || spec.kinds.length === 0) return undefined;
    if (spec.api === 'openai') return this.#options.openai?.(() => this.#changed());
    return httpKindServer(spec);
  }
}
