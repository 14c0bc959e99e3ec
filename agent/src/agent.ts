/**
 * The agent as a whole: the state directory, the runtimes that the coordinator assigned, and the link to it. `rma-worker`
 * is a shell around this; tests and benchmarks use it in their own process.
 */
import { randomBytes } from 'node:crypto';
import os from 'node:os';
import { type Hardware, hardwareLimits, type LoadSample } from '@rma/protocol/hardware';
import type { Labels } from '@rma/protocol/task';
import type { Assignment, Available } from '@rma/protocol/worker';
import { type AgentEnd, Announcements, type Teller } from './announcements.js';
import { AssignedRuntimes } from './assigned-runtimes.js';
import { parseCoordinatorAddress } from './coordinator-address.js';
import { Credential } from './credential.js';
import { type Containers, findContainers } from './docker/containers.js';
import { DockerRuntime } from './docker/runtime.js';
import { createEmbeddedRuntime } from './embedded/runtime.js';
import { EMBEDDED_WORKLOADS, isEmbeddedWorkload } from './embedded/workloads.js';
import { openAiContainers } from './endpoint-runtime/container-models.js';
import { AgentFault, EXIT } from './fault.js';
import { Link } from './link/link.js';
import type { LinkEvents } from './link/link-options.js';
import type { SessionEnd } from './link/session.js';
import { chatServerOf, createLlmRuntimes, type LlmOptions } from './llm-runtimes.js';
import { type AgentLog, silentLog, TaskLines } from './log.js';
import { BlobFiles } from './outbox/blob-files.js';
import { Outbox } from './outbox/outbox.js';
import { admitted, allowedKinds, refusal } from './policy/allow-list.js';
import { type ControlOrders, ControlServer, type DepartOptions, type Departure } from './policy/control-server.js';
import { DeclinedWorkload } from './policy/declined-workload.js';
import { Donor, type DonorSources } from './policy/donor.js';
import { Lender } from './policy/lender.js';
import { type AgentStatus, describeAgent } from './policy/status.js';
import { capHardware, embeddedSlots } from './policy/terms.js';
import type { AllowLists } from './policy/worker-file.js';
import { Presence } from './presence.js';
import { sampleLoad } from './probe/load.js';
import { probeHardware } from './probe/probe.js';
import type { Runtime } from './runtime/runtime.js';
import { defaultStateDir, StateDir } from './state-dir.js';
import { VERSION } from './version.js';

const GRACE_MS = 5_000;
/** How long cancelled tasks may take to end; a runtime kills after a second. */
const CANCEL_MS = 3_000;
/** How long acknowledgements of the last results are waited for; unacknowledged ones stay in the outbox. */
const ACKNOWLEDGE_MS = 2_000;
/** How long a coordinator is waited for that shall be told of a departure. */
const REACH_MS = 10_000;
/** The limit at which a process is killed is more than twice what it holds in the usual case. */
const USUAL_SHARE = 0.4;

export interface AgentOptions {
  /** `http(s)://HOST:PORT` or `ws(s)://HOST:PORT`. */
  readonly url: string;
  /** A join token; not needed once the state directory holds this worker's own credential. */
  readonly token?: string | undefined;
  /** Default: the platform's place for it. */
  readonly stateDir?: string | undefined;
  /** Default: the host's name. */
  readonly name?: string | undefined;
  readonly labels?: Labels | undefined;
  /** A JavaScript file with one's own handlers. */
  readonly handlersFile?: string | undefined;
  /** Servers and GGUF files of the donor's that serve language models; they run whatever is assigned. */
  readonly llm?: LlmOptions | undefined;
  /** The only workloads that this machine will run; own handlers always run. */
  readonly only?: readonly string[] | undefined;
  /** The container engine: `auto` (the default), `none`, or its URL. */
  readonly engine?: string | undefined;
  /** Images that tasks of kind `container.run` may use, `*` standing for any text; without one the kind is not offered. */
  readonly allowImages?: readonly string[] | undefined;
  /** Allows an address without encryption that is not this machine. */
  readonly insecure?: boolean | undefined;
  /** The donor's `worker.yaml`, watched; none: lent always and wholly. */
  readonly configFile?: string | undefined;
  /** Take orders from `rma-worker pause` and the like; default: no. */
  readonly control?: boolean | undefined;
  /** Where the facts for the donor's terms come from, in place of the machine. */
  readonly donorSources?: Partial<DonorSources> | undefined;
  readonly log?: AgentLog | undefined;
  /** Whether a person reads the log as it comes: then each task gets a line. */
  readonly people?: boolean | undefined;
  /** Run these, whatever is assigned, in place of the built-in workloads. */
  readonly runtimes?: readonly Runtime[] | undefined;
  /** What to say of the machine, in place of looking. */
  readonly hardware?: Hardware | undefined;
  /** The machine's load, every 5 s; false: don't tell. */
  readonly sample?: (() => Promise<LoadSample>) | false | undefined;
}

export interface Agent {
  /** Resolves once it dials. @throws AgentFault when it cannot start: wrong options, a state directory in use */
  start(): Promise<void>;
  /** Takes no new tasks, lets running ones end for `graceMs` (default 5,000), cancels the rest, tells all results, leaves. */
  drain(graceMs?: number): Promise<void>;
  /** Leaves the pool for good: drains, has the credential revoked, and removes what the worker kept on this machine. */
  depart(options: DepartOptions): Promise<Departure>;
  status(): AgentStatus;
  /** Leaves at once; unacknowledged results stay in the outbox. */
  stop(): Promise<void>;
  /** Resolves when it has ended, with everything that it had started. */
  readonly ended: Promise<AgentEnd>;
  readonly online: boolean;
  /** Who it is, once it has joined. */
  readonly worker: { readonly id: string; readonly name: string } | undefined;
  /** Results that the coordinator has not acknowledged. */
  readonly unacknowledged: number;
}

function offered(available: readonly Available[], allow: AllowLists): Available[] {
  return available
    .filter(({ workload }) => refusal(allow, workload, undefined) === undefined)
    .map((one) => ({ ...one, kinds: allowedKinds(one.kinds, allow) }))
    .filter(({ kinds }) => kinds.length > 0);
}

/** Makes an agent; nothing happens before `start`. */
export function createAgent(options: AgentOptions): Agent {
  return new LocalAgent(options);
}

class LocalAgent implements Agent {
  readonly ended: Promise<AgentEnd>;
  readonly #options: AgentOptions;
  readonly #log: AgentLog;
  readonly #taskLines: TaskLines;
  readonly #announcements: Announcements;
  #resolveEnded: (end: AgentEnd) => void = () => undefined;
  #state: StateDir | undefined;
  #presence: Presence | undefined;
  #outbox: Outbox | undefined;
  #link: Link | undefined;
  #runtimes: AssignedRuntimes | undefined;
  #containers: Containers | undefined;
  #ending: Promise<void> | undefined;
  #draining: Promise<void> | undefined;
  readonly #instance = randomBytes(12).toString('base64url');
  #credential: Credential | undefined;
  #joinedBefore = false;
  #assignment: Assignment | undefined;
  readonly #refusals = new Map<string, string | undefined>();
  #onlineSinceMs: number | undefined;
  #donor: Donor | undefined;
  #lender: Lender | undefined;
  #control: ControlServer | undefined;
  #departing = false;

  constructor(options: AgentOptions) {
    this.#options = options;
    this.#log = options.log ?? silentLog();
    this.#taskLines = new TaskLines(this.#log, options.people === true);
    this.#announcements = new Announcements(this.#log, this.#teller());
    this.ended = new Promise((resolve) => {
      this.#resolveEnded = resolve;
    });
  }

  get online(): boolean {
    return this.#link?.online === true && this.#joinedBefore;
  }

  get worker(): { readonly id: string; readonly name: string } | undefined {
    const identity = this.#state?.identity;
    return identity === undefined ? undefined : { id: identity.id, name: identity.name };
  }

  get unacknowledged(): number {
    return this.#link?.unacknowledged ?? 0;
  }

  async start(): Promise<void> {
    if (this.#state !== undefined || this.#ending !== undefined) throw new Error('the agent was started before');
    const address = parseCoordinatorAddress(this.#options.url, this.#options.insecure === true);
    const available = this.#available();
    const state = new StateDir(this.#options.stateDir ?? defaultStateDir(), this.#log);
    this.#state = state;
    this.#presence = new Presence(state.path, this.#log);
    try {
      const { token } = this.#options;
      const credential = new Credential(state, { token, url: address.identity, log: this.#log });
      this.#credential = credential;
      const donor = new Donor({
        stateDir: state.path,
        configFile: this.#options.configFile,
        log: this.#log,
        changed: () => this.#termsChanged(),
        sources: this.#options.donorSources,
      });
      this.#donor = donor;
      const outbox = new Outbox(state.path, this.#log);
      this.#outbox = outbox;
      const blobs = new BlobFiles(state.path, (error) => this.#announcements.diskFailed(error));
      const hardware = this.#options.hardware ?? (await probeHardware({ stateDir: state.path }));
      this.#containers = await this.#findContainers(state, hardware);
      if (this.#ending !== undefined) return;
      const name = this.#options.name ?? os.hostname();
      const { labels } = this.#options;
      const link: Link = new Link({
        url: address.socketUrl,
        token: () => credential.present(),
        describe: () => ({
          key: state.key,
          instance: this.#instance,
          name: name.slice(0, hardwareLimits.nameLength),
          ...(labels === undefined ? {} : { labels }),
          hardware: capHardware(hardware, donor.policy.caps),
          available: offered(available, donor.policy.allow),
          policy: lender.policy,
          ...(this.#containers === undefined ? {} : { engine: this.#containers.view }),
        }),
        admit: (status) => admitted(status, donor.policy.allow),
        version: VERSION,
        outbox,
        blobs,
        log: this.#log,
        sample: this.#options.sample === false ? undefined : (this.#options.sample ?? sampleLoad),
        events: this.#events(),
      });
      this.#link = link;
      const lender: Lender = new Lender({ donor, link, log: this.#log, closed: () => this.#runtimes?.apply([]) });
      this.#lender = lender;
      this.#runtimes = this.#createRuntimes(link, state);
      this.#runtimes.startFixed();
      link.setRuntimes(this.#runtimes.list);
      if (this.#options.control === true) this.#control = await ControlServer.listen(state, this.#orders(), this.#log);
      if (this.#ending !== undefined) {
        await this.#control?.close();
        return;
      }
      donor.start();
      lender.start();
    } catch (error) {
      await this.#finish({ exitStatus: error instanceof AgentFault ? error.exitStatus : EXIT.setup });
      throw error;
    }
  }

  drain(graceMs = GRACE_MS): Promise<void> {
    this.#draining ??= this.#drain(graceMs);
    return this.#draining;
  }

  async depart({ purge, graceMs = GRACE_MS }: DepartOptions): Promise<Departure> {
    const link = this.#link;
    const worker = this.worker;
    if (link === undefined || this.#ending !== undefined || this.#draining !== undefined)
      throw new AgentFault('the agent is ending already; try again once it has ended');
    this.#lender?.stop();
    this.#departing = true;
    let left = false;
    void this.#left.then(() => {
      left = true;
      link.nudge();
    });
    link.wake();
    await link.until(() => this.online || left, REACH_MS);
    await this.#finishTasks(link, graceMs);
    link.tell({ type: 'leave' });
    const told = await link.until(() => left, link.online ? REACH_MS : 0);
    this.#purge = purge;
    const end = { exitStatus: EXIT.done };
    if (told) this.#log.info({ worker: worker?.id }, `${worker?.id ?? 'the worker'} left the pool for good`);
    else
      this.#log.warn(
        { worker: worker?.id },
        `the coordinator at ${this.#options.url} could not be told that ${worker?.id ?? 'this worker'} left; its admin can revoke it`,
      );
    void this.#finish(end);
    await this.#removed;
    return { worker: worker?.id, told };
  }
  /** Set once the worker has left for good: also the data of services? */
  #purge: boolean | undefined;
  #resolveRemoved: () => void = () => undefined;
  readonly #removed = new Promise<void>((resolve) => {
    this.#resolveRemoved = resolve;
  });

  status(): AgentStatus {
    const { donor, link } = { donor: this.#donor, link: this.#link };
    return describeAgent({
      url: this.#options.url,
      stateDir: this.#state?.path ?? '',
      configFile: this.#options.configFile,
      worker: this.worker,
      online: this.online,
      onlineSinceMs: this.#onlineSinceMs,
      assignment: this.#assignment,
      services: link?.services ?? [],
      tasks: link?.unfinished ?? 0,
      unacknowledged: this.unacknowledged,
      donor,
    });
  }

  async stop(): Promise<void> {
    this.#link?.leave();
    await this.#finish({ exitStatus: EXIT.done });
  }

  async #drain(graceMs: number): Promise<void> {
    const link = this.#link;
    if (link !== undefined && this.#ending === undefined) {
      this.#lender?.stop();
      await this.#finishTasks(link, graceMs);
      link.leave();
      await Promise.race([this.#left, new Promise((resolve) => setTimeout(resolve, 1_500).unref())]);
    }
    await this.#finish({ exitStatus: EXIT.done });
  }

  async #finishTasks(link: Link, graceMs: number): Promise<void> {
    link.drain();
    const tasks = link.unfinished;
    this.#log.info(
      { tasks },
      tasks === 0
        ? 'leaving'
        : `leaving: ${tasks} running ${tasks === 1 ? 'task gets' : 'tasks get'} ${graceMs / 1_000} s to finish`,
    );
    if (!(await link.until(() => link.unfinished === 0, graceMs))) {
      this.#log.warn(
        { tasks: link.unfinished },
        `cancelled ${link.unfinished} tasks that did not finish in time; other workers will do them`,
      );
      link.cancelAll();
      await link.until(() => link.unfinished === 0, CANCEL_MS);
    }
    await link.until(() => link.unacknowledged === 0 || !link.online, ACKNOWLEDGE_MS);
  }

  #resolveLeft: () => void = () => undefined;
  readonly #left = new Promise<void>((resolve) => {
    this.#resolveLeft = resolve;
  });

  #finish(end: AgentEnd): Promise<void> {
    this.#ending ??= this.#close(end);
    return this.#ending;
  }

  async #close(end: AgentEnd): Promise<void> {
    this.#lender?.stop();
    this.#donor?.stop();
    await this.#runtimes?.stop();
    await this.#containers?.stop();
    if (this.#purge !== undefined) {
      await this.#runtimes?.purge({ volumes: this.#purge });
      await this.#containers?.purge({ volumes: this.#purge });
    }
    this.#link?.close();
    this.#outbox?.close();
    this.#presence?.remove();
    if (this.#purge !== undefined) this.#state?.forget(this.#purge);
    this.#resolveRemoved();
    await this.#control?.close();
    this.#state?.release();
    this.#resolveEnded(end);
  }

  #available(): Available[] {
    if (this.#options.runtimes !== undefined) return [];
    const { only } = this.#options;
    const unknown = only?.find((workload) => !isEmbeddedWorkload(workload));
    if (unknown !== undefined) {
      throw new AgentFault(
        `--only: there is no workload '${unknown}'. There are: ${Object.keys(EMBEDDED_WORKLOADS).join(', ')}.`,
      );
    }
    return Object.entries(EMBEDDED_WORKLOADS)
      .filter(([workload]) => only === undefined || only.includes(workload))
      .map(([workload, { kinds, slots, memoryMiB }]) => ({
        workload,
        kinds: [...kinds],
        cores: slots === 'cores' ? 1 : 0,
        memoryMiB: Math.ceil(memoryMiB * USUAL_SHARE),
      }));
  }

  async #findContainers(state: StateDir, hardware: Hardware): Promise<Containers | undefined> {
    const { engine = 'auto', allowImages = [], runtimes } = this.#options;
    if (runtimes !== undefined) return undefined;
    return findContainers({
      choice: engine,
      // The donor's terms name images as the command line does.
      allowImages: [...allowImages, ...(this.#donor?.policy.allow.images ?? [])],
      stateDir: state.path,
      stateKey: state.key,
      hardware,
      log: this.#log,
      openai: openAiContainers(this.#log),
      worker: () => this.worker?.id,
    });
  }

  #createRuntimes(link: Link, state: StateDir): AssignedRuntimes {
    const { handlersFile, runtimes, llm } = this.#options;
    const log = this.#log;
    const scratch = state.scratch;
    const own =
      handlersFile === undefined ? [] : [createEmbeddedRuntime({ workloads: [], handlersFile, scratch, log })];
    const models = llm === undefined ? [] : createLlmRuntimes(llm, { stateDir: state.path, scratch, log });
    const jobs = this.#containers?.jobs;
    const fixed = [...(runtimes ?? []), ...own, ...models, ...(jobs === undefined ? [] : [jobs])];
    const assigned: AssignedRuntimes = new AssignedRuntimes(fixed, {
      create: ({ workload, container }) => {
        const why = this.#refusals.get(workload);
        if (why !== undefined)
          return new DeclinedWorkload(workload, container === undefined ? 'embedded' : 'docker', why);
        if (container !== undefined) {
          if (this.#containers !== undefined) return this.#containers.runtimeFor(workload, container);
          return new DeclinedWorkload(workload, 'docker', 'it runs in a container, and this machine has no engine');
        }
        const { cores } = this.#donor?.policy.caps ?? {};
        const slots = cores === undefined ? {} : { slots: embeddedSlots(cores) };
        return createEmbeddedRuntime({
          workloads: [workload],
          scratch,
          dataDir: state.data,
          llm: () => chatServerOf(assigned.list),
          log,
          ...slots,
        });
      },
      update: (runtime, { workload, container }) => {
        const noEngine = container !== undefined && this.#containers === undefined;
        if (runtime instanceof DeclinedWorkload) return this.#refusals.get(workload) !== undefined || noEngine;
        if (!(runtime instanceof DockerRuntime)) return container === undefined;
        if (container !== undefined) runtime.update(container);
        return container !== undefined;
      },
      changed: () => {
        link.setRuntimes(assigned.list);
        this.#announcements.services(assigned.list);
      },
      idle: (runtime, timeoutMs) => link.until(() => !link.isBusy(runtime), timeoutMs),
      log,
    });
    return assigned;
  }

  #teller(): Teller {
    const agent = this;
    return {
      url: this.#options.url,
      get worker() {
        return agent.worker;
      },
      get statePath() {
        return agent.#state?.path;
      },
      get usedStored() {
        return agent.#credential?.usedStored === true;
      },
    };
  }

  #events(): LinkEvents {
    return {
      joined: (worker) => this.#credential?.joined(worker),
      assigned: (assignment) => this.#assigned(assignment),
      lost: (lost) => {
        this.#onlineSinceMs = undefined;
        this.#presence?.tell('offline', `no connection to ${this.#options.url}: ${lost.why}`);
        this.#announcements.lost(lost);
      },
      ended: (end) => this.#sessionEnded(end),
      failed: (error) => this.#failed(error),
      started: (attempt) => this.#taskLines.started(attempt.dispatch?.kind ?? '', attempt.task),
    };
  }

  #assigned(assignment: Assignment): void {
    this.#joinedBefore = true;
    this.#onlineSinceMs ??= Date.now();
    this.#assignment = assignment;
    this.#presence?.tell('online');
    this.#announcements.assigned(assignment);
    this.#runAssigned();
  }

  /** Runs what is assigned and allowed; what is not allowed says so among the services. */
  #runAssigned(): void {
    if (this.#options.runtimes !== undefined || this.#donor?.lending.state === 'closed') return;
    const { only } = this.#options;
    const allow = this.#donor?.policy.allow ?? {};
    const workloads = (this.#assignment?.workloads ?? []).filter(
      ({ workload }) => only === undefined || only.includes(workload),
    );
    const names = workloads.map(({ workload }) => workload);
    const before = new Map(this.#refusals);
    for (const { workload, container } of workloads)
      this.#refusals.set(workload, refusal(allow, workload, container?.image));
    const same = names.filter((name) => !before.has(name) || before.get(name) === this.#refusals.get(name));
    if (same.length < names.length) this.#runtimes?.apply(workloads.filter(({ workload }) => same.includes(workload)));
    this.#containers?.assigned(
      workloads.flatMap(({ workload, container }) =>
        container === undefined || this.#refusals.get(workload) !== undefined ? [] : [workload],
      ),
    );
    this.#runtimes?.apply(workloads);
  }

  #termsChanged(): void {
    this.#lender?.changed();
    this.#link?.servicesChanged();
    if (this.online) this.#runAssigned();
  }

  #orders(): ControlOrders {
    return {
      status: () => this.status(),
      pause: (untilMs) => this.#donor?.setPause({ untilMs }),
      resume: () => this.#donor?.setPause(undefined),
      leave: (options) => this.depart(options),
    };
  }

  #sessionEnded(end: SessionEnd): void {
    if (end.cause === 'left' || (this.#departing && end.close !== 'unsupported_version')) {
      this.#resolveLeft();
      return;
    }
    void this.#finish(this.#announcements.explain(end));
  }

  #failed(error: unknown): void {
    const fault = error instanceof AgentFault ? error : undefined;
    const message =
      fault?.message ??
      `a defect of the agent: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`;
    this.#link?.close();
    void this.#finish({ exitStatus: fault?.exitStatus ?? EXIT.setup, message });
  }
}
