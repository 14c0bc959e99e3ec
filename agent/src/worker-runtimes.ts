/**
 * What this worker runs: the donor's own handlers and models, strangers' jobs, and of what is assigned all that its donor
 * allows. What is not allowed, or cannot run here, says so among the services.
 */
import type { Hardware } from '@rma/protocol/hardware';
import type { Assignment } from '@rma/protocol/worker';
import type { ContainerSpec, Engine } from '@rma/protocol/workload';
import { createEmbeddedRuntime } from '@rma/workloads/host/embedded-runtime';
import type { PurgeOptions, Runtime } from '@rma/workloads/runtime';
import type { AgentOptions } from './agent-options.js';
import { AssignedRuntimes, type AssignedWorkload } from './assigned-runtimes.js';
import { type Containers, findContainers } from './docker/containers.js';
import { DockerRuntime } from './docker/runtime.js';
import { openAiContainers } from './endpoint-runtime/container-models.js';
import type { Link } from './link/link.js';
import { chatServerOf, createLlmRuntimes } from './llm-runtimes.js';
import type { AgentLog } from './log.js';
import { refusal, tooMuch } from './policy/allow-list.js';
import { DeclinedWorkload } from './policy/declined-workload.js';
import type { Donor } from './policy/donor.js';
import { capHardware, embeddedSlots } from './policy/terms.js';
import type { StateDir } from './state-dir.js';

export interface WorkerRuntimesOptions {
  readonly agent: Pick<
    AgentOptions,
    'allowImages' | 'engine' | 'engineLookMs' | 'handlersFile' | 'llm' | 'only' | 'runtimes'
  >;
  readonly donor: Donor;
  readonly state: StateDir;
  readonly log: AgentLog;
  /** The list, or what its services say, is another now. */
  changed(runtimes: readonly Runtime[]): void;
  /** A container engine answers that was not there at the start: containers can be assigned. */
  engineFound(engine: Engine): void;
  /** Who it is, once it has joined. */
  worker(): string | undefined;
}

/** How often a machine without a container engine is looked at again: somebody may install or start one. */
const ENGINE_LOOK_MS = 20_000;

export class WorkerRuntimes {
  readonly #options: WorkerRuntimesOptions;
  /** Why an assigned workload is not run; `undefined`: it is. */
  readonly #refusals = new Map<string, string | undefined>();
  #containers: Containers | undefined;
  #assigned: AssignedRuntimes | undefined;
  #hardware: Hardware | undefined;
  #search: NodeJS.Timeout | undefined;
  #stopped = false;

  constructor(options: WorkerRuntimesOptions) {
    this.#options = options;
  }

  /** What `hello` says of the container engine, where there is one. */
  get engine(): Engine | undefined {
    return this.#containers?.view;
  }

  /** Looks for the container engine. @throws AgentFault for an address that cannot be used */
  async prepare(hardware: Hardware): Promise<void> {
    if (this.#options.agent.runtimes === undefined) this.#containers = await this.#find(hardware, false);
    this.#hardware = hardware;
  }

  #find(hardware: Hardware, again: boolean): Promise<Containers | undefined> {
    const { agent, donor, state, log, worker } = this.#options;
    return findContainers({
      choice: agent.engine ?? 'auto',
      isAgain: again,
      lent: () => ({
        hardware: capHardware(hardware, donor.policy.caps),
        jobImages: [...(agent.allowImages ?? []), ...donor.policy.jobs.images],
      }),
      stateDir: state.path,
      stateKey: state.key,
      log,
      openai: openAiContainers(log),
      worker,
    });
  }

  /** Starts what runs whatever is assigned, and hands the link all that runs from now on. */
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
    if (this.#containers === undefined) this.#searchSoon();
  }

  #searchSoon(): void {
    const { agent } = this.#options;
    if (agent.runtimes !== undefined || agent.engine === 'none') return;
    this.#search = setTimeout(() => void this.#searchAgain(), agent.engineLookMs ?? ENGINE_LOOK_MS);
    this.#search.unref();
  }

  async #searchAgain(): Promise<void> {
    const hardware = this.#hardware;
    const assigned = this.#assigned;
    if (hardware === undefined || assigned === undefined) return;
    let containers: Containers | undefined;
    try {
      containers = await this.#find(hardware, true);
    } catch (error) {
      // What it needs besides may be missing now, such as its certificates: it is looked for again.
      this.#options.log.debug({}, `a container engine was found and cannot be used: ${String(error)}`);
    }
    if (this.#stopped) return;
    if (containers === undefined) {
      this.#searchSoon();
      return;
    }
    this.#containers = containers;
    if (containers.jobs !== undefined) assigned.addFixed(containers.jobs);
    this.#options.engineFound(containers.view);
  }

  /** Runs what is assigned, as far as the donor's terms of now allow it. */
  run(assignment: Assignment | undefined): void {
    const { agent, donor } = this.#options;
    if (agent.runtimes !== undefined || donor.lending.state === 'closed') return;
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
    const { allow, caps } = this.#options.donor.policy;
    return refusal(allow, workload, container?.image) ?? (container && tooMuch(caps, container));
  }

  /** Withdraws all that was assigned. */
  rest(): void {
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

  /** What runs whatever is assigned. */
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
    const why = this.#refusals.get(workload);
    if (why !== undefined) return new DeclinedWorkload(workload, container === undefined ? 'embedded' : 'docker', why);
    if (container !== undefined) {
      if (this.#containers !== undefined) return this.#containers.runtimeFor(workload, container);
      return new DeclinedWorkload(workload, 'docker', 'it runs in a container, and this machine has no engine');
    }
    const { donor, state, log } = this.#options;
    const { cores } = donor.policy.caps;
    return createEmbeddedRuntime({
      workloads: [workload],
      scratch: state.scratch,
      dataDir: state.data,
      llm: () => chatServerOf(others.list),
      log,
      ...(cores === undefined ? {} : { slots: embeddedSlots(cores) }),
    });
  }

  /** Whether the runtime is now what is assigned. */
  #update(runtime: Runtime, { workload, container }: AssignedWorkload): boolean {
    const noEngine = container !== undefined && this.#containers === undefined;
    if (runtime instanceof DeclinedWorkload) return this.#refusals.get(workload) !== undefined || noEngine;
    if (!(runtime instanceof DockerRuntime)) return container === undefined;
    if (container !== undefined) runtime.update(container);
    return container !== undefined;
  }
}
