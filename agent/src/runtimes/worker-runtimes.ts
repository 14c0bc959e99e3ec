/**
 * What this worker runs: fixed runtimes (the donor's own handlers and models, `container.run`) and a runtime for each
 * assigned workload. One that policy does not allow, or that cannot run here, becomes a stopped service with the reason.
 */
import type { Hardware } from '@rma/protocol/hardware';
import type { Assignment } from '@rma/protocol/worker';
import type { ContainerSpec, Engine } from '@rma/protocol/workload';
import { createEmbeddedRuntime } from '@rma/workloads/host/embedded-runtime';
import type { Execution, PurgeOptions, Runtime, ServiceStatus } from '@rma/workloads/runtime';
import type { AgentOptions } from '../agent-options.js';
import { type Containers, findContainers } from '../docker/containers.js';
import { DockerRuntime } from '../docker/runtime.js';
import { openAiContainers } from '../endpoint-runtime/container-models.js';
import type { Link } from '../link/link.js';
import type { AgentLog } from '../log.js';
import { refusal } from '../policy/allow-list.js';
import { capHardware, embeddedSlots, exceededCap } from '../policy/caps.js';
import type { PolicyMonitor } from '../policy/policy-monitor.js';
import type { StateDir } from '../state/state-dir.js';
import { AssignedRuntimes, type AssignedWorkload } from './assigned-runtimes.js';
import { chatServerOf, createLlmRuntimes } from './llm-runtimes.js';

export interface WorkerRuntimesOptions {
  readonly agent: Pick<
    AgentOptions,
    'allowImages' | 'engine' | 'engineSearchMs' | 'handlersFile' | 'llm' | 'only' | 'runtimes'
  >;
  readonly monitor: PolicyMonitor;
  readonly state: StateDir;
  readonly log: AgentLog;
  /** The list of runtimes, or the status of a service, changed. */
  changed(runtimes: readonly Runtime[]): void;
  /** A container engine was found after the start: containers can be placed here. */
  engineFound(engine: Engine): void;
  /** The worker's id, once it has joined. */
  worker(): string | undefined;
}

/** Interval of the search for a container engine while there is none: one may be installed or started later. */
const ENGINE_SEARCH_MS = 20_000;

export class WorkerRuntimes {
  readonly #options: WorkerRuntimesOptions;
  /** By workload, why policy does not allow it; `undefined`: it does. */
  readonly #refusals = new Map<string, string | undefined>();
  #containers: Containers | undefined;
  #assigned: AssignedRuntimes | undefined;
  #hardware: Hardware | undefined;
  #search: NodeJS.Timeout | undefined;
  #stopped = false;

  constructor(options: WorkerRuntimesOptions) {
    this.#options = options;
  }

  /** The container engine as `hello` describes it, where there is one. */
  get engine(): Engine | undefined {
    return this.#containers?.view;
  }

  /** Looks for the container engine. @throws AgentFault for an address that cannot be used */
  async prepare(hardware: Hardware): Promise<void> {
    if (this.#options.agent.runtimes === undefined) this.#containers = await this.#findContainers(hardware, false);
    this.#hardware = hardware;
  }

  #findContainers(hardware: Hardware, again: boolean): Promise<Containers | undefined> {
    const { agent, monitor, state, log, worker } = this.#options;
    return findContainers({
      choice: agent.engine ?? 'auto',
      isAgain: again,
      limits: () => ({
        hardware: capHardware(hardware, monitor.policy.caps),
        jobImages: [...(agent.allowImages ?? []), ...monitor.policy.jobs.images],
      }),
      stateDir: state.path,
      stateKey: state.key,
      log,
      openai: openAiContainers(log),
      worker,
    });
  }

  /** Starts the fixed runtimes, and keeps the link's list of runtimes up to date from now on. */
  start(link: Link): void {
    const assigned: AssignedRuntimes = new AssignedRuntimes(this.#fixed(), {
      create: (workload) => this.#create(workload, assigned),
      update: (runtime, workload) => this.#update(runtime, workload),
      changed: () => {
        link.setRuntimes(assigned.list);
        this.#options.changed(assigned.list);
      },
      idle: (runtime, timeoutMs) => link.until(() => !link.isBusy(runtime), timeoutMs),
      log: this.#options.log,
    });
    this.#assigned = assigned;
    assigned.startFixed();
    link.setRuntimes(assigned.list);
    if (this.#containers === undefined) this.#scheduleSearch();
  }

  #scheduleSearch(): void {
    const { agent } = this.#options;
    if (agent.runtimes !== undefined || agent.engine === 'none') return;
    this.#search = setTimeout(() => void this.#searchEngine(), agent.engineSearchMs ?? ENGINE_SEARCH_MS);
    this.#search.unref();
  }

  async #searchEngine(): Promise<void> {
    const hardware = this.#hardware;
    const assigned = this.#assigned;
    if (hardware === undefined || assigned === undefined) return;
    let containers: Containers | undefined;
    try {
      containers = await this.#findContainers(hardware, true);
    } catch (error) {
      // Something that it needs may be missing for now, such as its certificates: the search goes on.
      this.#options.log.debug({}, `a container engine was found and cannot be used: ${String(error)}`);
    }
    if (this.#stopped) return;
    if (containers === undefined) {
      this.#scheduleSearch();
      return;
    }
    this.#containers = containers;
    if (containers.jobs !== undefined) assigned.addFixed(containers.jobs);
    this.#options.engineFound(containers.view);
  }

  /** Runs what is assigned, as far as the current policy allows it. */
  run(assignment: Assignment | undefined): void {
    const { agent, monitor } = this.#options;
    if (agent.runtimes !== undefined || monitor.availability.state === 'unavailable') return;
    const { only } = agent;
    const workloads = (assignment?.workloads ?? []).filter(
      ({ workload }) => only === undefined || only.includes(workload),
    );
    const names = workloads.map(({ workload }) => workload);
    const before = new Map(this.#refusals);
    for (const { workload, container } of workloads) this.#refusals.set(workload, this.#refusal(workload, container));
    const same = names.filter((name) => !before.has(name) || before.get(name) === this.#refusals.get(name));
    if (same.length < names.length) this.#assigned?.apply(workloads.filter(({ workload }) => same.includes(workload)));
    this.#containers?.assigned(
      workloads.flatMap(({ workload, container }) =>
        container === undefined || this.#refusals.get(workload) !== undefined ? [] : [workload],
      ),
    );
    this.#assigned?.apply(workloads);
  }

  #refusal(workload: string, container: ContainerSpec | undefined): string | undefined {
    const { allow, caps } = this.#options.monitor.policy;
    return refusal(allow, workload, container?.image) ?? (container && exceededCap(caps, container));
  }

  /** Withdraws every assigned workload, so that its services release their memory. */
  withdrawAll(): void {
    this.#assigned?.apply([]);
  }

  /** Ends everything; resolves when nothing is left. */
  async stop(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#search);
    await this.#assigned?.stop();
    await this.#containers?.stop();
  }

  /** After `stop`: removes what it left on the machine. */
  async purge(options: PurgeOptions): Promise<void> {
    await this.#assigned?.purge(options);
    await this.#containers?.purge(options);
  }

  /** The runtimes that do not depend on the assignment. */
  #fixed(): Runtime[] {
    const { agent, state, log } = this.#options;
    const { handlersFile, runtimes, llm } = agent;
    const { scratch } = state;
    const own =
      handlersFile === undefined ? [] : [createEmbeddedRuntime({ workloads: [], handlersFile, scratch, log })];
    const models = llm === undefined ? [] : createLlmRuntimes(llm, { stateDir: state.path, scratch, log });
    const jobs = this.#containers?.jobs;
    return [...(runtimes ?? []), ...own, ...models, ...(jobs === undefined ? [] : [jobs])];
  }

  #create({ workload, container }: AssignedWorkload, others: AssignedRuntimes): Runtime {
    const reason = this.#refusals.get(workload);
    if (reason !== undefined)
      return new RefusedWorkload(workload, container === undefined ? 'embedded' : 'docker', reason);
    if (container !== undefined) {
      if (this.#containers !== undefined) return this.#containers.runtimeFor(workload, container);
      return new RefusedWorkload(workload, 'docker', 'it runs in a container, and this machine has no engine');
    }
    const { monitor, state, log } = this.#options;
    const { cores } = monitor.policy.caps;
    return createEmbeddedRuntime({
      workloads: [workload],
      scratch: state.scratch,
      dataDir: state.data,
      llm: () => chatServerOf(others.list),
      log,
      ...(cores === undefined ? {} : { slots: embeddedSlots(cores) }),
    });
  }

  /** Makes an existing runtime match the assignment; false where it takes a new one. */
  #update(runtime: Runtime, { workload, container }: AssignedWorkload): boolean {
    const noEngine = container !== undefined && this.#containers === undefined;
    if (runtime instanceof RefusedWorkload) return this.#refusals.get(workload) !== undefined || noEngine;
    if (!(runtime instanceof DockerRuntime)) return container === undefined;
    if (container !== undefined) runtime.update(container);
    return container !== undefined;
  }
}

/** Takes the place of a workload that may not or cannot run here: a stopped service that gives the reason. */
class RefusedWorkload implements Runtime {
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

  /** Not called in practice: it serves no kind. */
  execute(): Execution {
    const error = { code: 'refused', message: this.#status.reason ?? 'not allowed', retryable: true };
    return { done: Promise.resolve({ ok: false, error }), cancel: () => undefined };
  }

  stop(): Promise<void> {
    return Promise.resolve();
  }
}
