/**
 * The agent as a library: composes state directory, policy, runtimes, link and control socket, and owns their start and end.
 * `rma-worker` is a shell around it; tests and benchmarks run it in their own process.
 */
import { randomBytes } from 'node:crypto';
import os from 'node:os';
import { hardwareLimits } from '@rma/protocol/hardware';
import type { Labels } from '@rma/protocol/task';
import type { Assignment, Available } from '@rma/protocol/worker';
import type { AgentOptions } from './agent-options.js';
import type { LeaveReply } from './control/control-address.js';
import { type ControlHandlers, ControlServer, type LeaveOptions } from './control/control-server.js';
import { type AgentStatus, agentStatus } from './control/status.js';
import { type CoordinatorAddress, parseCoordinatorAddress } from './coordinator-address.js';
import { AgentFault, EXIT } from './fault.js';
import { type AgentEnd, PoolLog, type PoolLogContext } from './lifecycle/pool-log.js';
import { Shutdown } from './lifecycle/shutdown.js';
import { Link } from './link/link.js';
import type { LinkEnd, LinkEvents } from './link/link-options.js';
import { type AgentLog, silentLog, TaskLog } from './log.js';
import { availableWorkloads, offered } from './offer.js';
import { BlobFiles } from './outbox/blob-files.js';
import { Outbox } from './outbox/outbox.js';
import { admitted } from './policy/allow-list.js';
import { AvailabilityController } from './policy/availability-controller.js';
import { capHardware } from './policy/caps.js';
import { PolicyMonitor } from './policy/policy-monitor.js';
import { sampleLoad } from './probe/load.js';
import { probeHardware } from './probe/probe.js';
import { WorkerRuntimes } from './runtimes/worker-runtimes.js';
import { Credential } from './state/credential.js';
import { defaultStateDir, StateDir } from './state/state-dir.js';
import { StatusFile } from './state/status-file.js';
import { VERSION } from './version.js';

const GRACE_MS = 5_000;

export interface Agent {
  /** Resolves once it dials. @throws AgentFault when it cannot start: wrong options, a state directory that is in use */
  start(): Promise<void>;
  /** Takes no new tasks, lets running ones finish for `graceMs` (default 5,000), cancels the rest, sends all results, ends. */
  drain(graceMs?: number): Promise<void>;
  /** Leaves the pool for good: drains, has the credential revoked, and removes what the worker kept on this machine. */
  leavePool(options: LeaveOptions): Promise<LeaveReply>;
  status(): AgentStatus;
  /** Ends at once; unacknowledged results stay in the outbox. */
  stop(): Promise<void>;
  /** Resolves when the agent and everything that it started have ended. */
  readonly ended: Promise<AgentEnd>;
  readonly online: boolean;
  /** Its identity, once it has joined. */
  readonly worker: { readonly id: string; readonly name: string } | undefined;
  /** Results that the coordinator has not acknowledged. */
  readonly unacknowledged: number;
}

/** Makes an agent; nothing happens before `start`. */
export function createAgent(options: AgentOptions): Agent {
  return new LocalAgent(options);
}

class LocalAgent implements Agent {
  readonly ended: Promise<AgentEnd>;
  readonly #options: AgentOptions;
  readonly #log: AgentLog;
  readonly #taskLog: TaskLog;
  readonly #poolLog: PoolLog;
  readonly #instance = randomBytes(12).toString('base64url');
  #state: StateDir | undefined;
  #statusFile: StatusFile | undefined;
  #credential: Credential | undefined;
  #monitor: PolicyMonitor | undefined;
  #outbox: Outbox | undefined;
  #runtimes: WorkerRuntimes | undefined;
  #link: Link | undefined;
  #availability: AvailabilityController | undefined;
  #shutdown: Shutdown | undefined;
  #control: ControlServer | undefined;
  #assignment: Assignment | undefined;
  #onlineSinceMs: number | undefined;
  #disconnected: { readonly reason: string; readonly retryAtMs: number } | undefined;
  #draining: Promise<void> | undefined;
  #ending: Promise<void> | undefined;
  #resolveEnded: (end: AgentEnd) => void = () => undefined;
  /** Set once the worker has left the pool: whether the data of services is removed, too. */
  #purge: boolean | undefined;
  #resolveRemoved: () => void = () => undefined;
  readonly #removed = new Promise<void>((resolve) => {
    this.#resolveRemoved = resolve;
  });

  constructor(options: AgentOptions) {
    this.#options = options;
    this.#log = options.log ?? silentLog();
    this.#taskLog = new TaskLog(this.#log, options.interactive === true);
    this.#poolLog = new PoolLog(this.#log, this.#logContext());
    this.ended = new Promise((resolve) => {
      this.#resolveEnded = resolve;
    });
  }

  get online(): boolean {
    return this.#link?.online === true && this.#assignment !== undefined;
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
    const { url, insecure, runtimes, only } = this.#options;
    const address = parseCoordinatorAddress(url, insecure === true);
    const available = runtimes === undefined ? availableWorkloads(only) : [];
    const state = new StateDir(this.#options.stateDir ?? defaultStateDir(), this.#log);
    this.#state = state;
    this.#statusFile = new StatusFile(state.path, this.#log);
    try {
      await this.#begin(state, address, available);
    } catch (error) {
      await this.#finish({ exitStatus: error instanceof AgentFault ? error.exitStatus : EXIT.setup });
      throw error;
    }
  }

  /** Makes its parts, each from those before it, and dials. Gives up in between where `drain` or `stop` was called. */
  async #begin(state: StateDir, address: CoordinatorAddress, available: readonly Available[]): Promise<void> {
    const log = this.#log;
    const { token, url, configFile, policySources, control } = this.#options;
    const credential = new Credential(state, { token, url: address.identity, log });
    this.#credential = credential;
    const changed = (): void => this.#policyChanged();
    const monitor = new PolicyMonitor({ stateDir: state.path, configFile, log, changed, sources: policySources });
    this.#monitor = monitor;
    const outbox = new Outbox(state.path, log);
    this.#outbox = outbox;
    const blobs = new BlobFiles(state.path, (error) => this.#poolLog.diskFailed(error));
    const hardware = this.#options.hardware ?? (await probeHardware({ stateDir: state.path }));
    const runtimes = this.#createRuntimes(state, monitor);
    this.#runtimes = runtimes;
    await runtimes.prepare(hardware);
    if (this.#ending !== undefined) return;
    const link: Link = new Link({
      url: address.socketUrl,
      token: () => credential.present(),
      describe: () => ({
        key: state.key,
        instance: this.#instance,
        ...this.#introduction(),
        hardware: capHardware(hardware, monitor.policy.caps),
        available: offered(available, monitor.policy.allow),
        policy: availability.policy,
        ...(runtimes.engine === undefined ? {} : { engine: runtimes.engine }),
      }),
      admit: (status) => admitted(status, monitor.policy.allow),
      version: VERSION,
      outbox,
      blobs,
      log,
      sample: this.#options.sample === false ? undefined : (this.#options.sample ?? sampleLoad),
      events: this.#events(),
    });
    this.#link = link;
    const availability: AvailabilityController = new AvailabilityController({
      monitor,
      link,
      log,
      disconnected: () => runtimes.withdrawAll(),
    });
    this.#availability = availability;
    const online = (): boolean => this.online;
    const worker = (): string | undefined => this.worker?.id;
    this.#shutdown = new Shutdown({ link, availability, log, url, online, worker });
    runtimes.start(link);
    if (control === true) this.#control = await ControlServer.listen(state, this.#controlHandlers(), log);
    if (this.#ending !== undefined) {
      await this.#control?.close();
      return;
    }
    monitor.start();
    availability.start();
  }

  #createRuntimes(state: StateDir, monitor: PolicyMonitor): WorkerRuntimes {
    return new WorkerRuntimes({
      agent: this.#options,
      monitor,
      state,
      log: this.#log,
      changed: (list) => this.#poolLog.services(list),
      engineFound: (engine) => {
        this.#availability?.engineFound(engine);
        this.#policyChanged();
      },
      worker: () => this.worker?.id,
    });
  }

  #introduction(): { readonly name: string; readonly labels?: Labels } {
    const { name = os.hostname(), labels } = this.#options;
    return { name: name.slice(0, hardwareLimits.nameLength), ...(labels === undefined ? {} : { labels }) };
  }

  #events(): LinkEvents {
    return {
      joined: (worker) => this.#credential?.joined(worker),
      assigned: (assignment) => this.#assigned(assignment),
      lost: (lost) => {
        this.#onlineSinceMs = undefined;
        this.#disconnected = { reason: lost.why, retryAtMs: Date.now() + lost.afterMs };
        this.#statusFile?.write('offline', `no connection to ${this.#options.url}: ${lost.why}`);
        this.#poolLog.connectionLost(lost);
      },
      ended: (end) => this.#sessionEnded(end),
      failed: (error) => this.#failed(error),
      started: (attempt) => this.#taskLog.started(attempt.dispatch?.kind ?? '', attempt.task),
    };
  }

  #assigned(assignment: Assignment): void {
    this.#onlineSinceMs ??= Date.now();
    this.#disconnected = undefined;
    this.#assignment = assignment;
    this.#statusFile?.write('online');
    this.#poolLog.assigned(assignment);
    this.#runtimes?.run(assignment);
  }

  #policyChanged(): void {
    this.#availability?.changed();
    this.#link?.servicesChanged();
    if (this.online) this.#runtimes?.run(this.#assignment);
  }

  #controlHandlers(): ControlHandlers {
    return {
      status: () => this.status(),
      pause: (untilMs) => this.#monitor?.setPause({ untilMs }),
      resume: () => this.#monitor?.setPause(undefined),
      leave: (options) => this.leavePool(options),
    };
  }

  status(): AgentStatus {
    return agentStatus({
      url: this.#options.url,
      stateDir: this.#state?.path ?? '',
      configFile: this.#options.configFile,
      worker: this.worker,
      online: this.online,
      onlineSinceMs: this.#onlineSinceMs,
      disconnected: this.#disconnected,
      assignment: this.#assignment,
      services: this.#link?.services ?? [],
      tasks: this.#link?.unfinished ?? 0,
      unacknowledged: this.unacknowledged,
      monitor: this.#monitor,
    });
  }

  #logContext(): PoolLogContext {
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

  drain(graceMs = GRACE_MS): Promise<void> {
    this.#draining ??= this.#drain(graceMs);
    return this.#draining;
  }

  async #drain(graceMs: number): Promise<void> {
    if (this.#ending === undefined) await this.#shutdown?.drain(graceMs);
    await this.#finish({ exitStatus: EXIT.done });
  }

  async leavePool({ purge, graceMs = GRACE_MS }: LeaveOptions): Promise<LeaveReply> {
    const worker = this.worker?.id;
    if (this.#shutdown === undefined || this.#ending !== undefined || this.#draining !== undefined)
      throw new AgentFault('the agent is ending already; try again once it has ended');
    const confirmed = await this.#shutdown.leavePool(graceMs);
    this.#purge = purge;
    void this.#finish({ exitStatus: EXIT.done });
    await this.#removed;
    return { worker, told: confirmed };
  }

  async stop(): Promise<void> {
    this.#link?.leave();
    await this.#finish({ exitStatus: EXIT.done });
  }

  #sessionEnded(end: LinkEnd): void {
    if (end.cause === 'left' || (this.#shutdown?.leavingPool === true && end.close !== 'unsupported_version'))
      this.#shutdown?.sessionClosed();
    else void this.#finish(this.#poolLog.explainRefusal(end));
  }

  #failed(error: unknown): void {
    const fault = error instanceof AgentFault ? error : undefined;
    const message =
      fault?.message ??
      `a defect of the agent: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`;
    this.#link?.close();
    void this.#finish({ exitStatus: fault?.exitStatus ?? EXIT.setup, message });
  }

  #finish(end: AgentEnd): Promise<void> {
    this.#ending ??= this.#close(end);
    return this.#ending;
  }

  async #close(end: AgentEnd): Promise<void> {
    this.#availability?.stop();
    this.#monitor?.stop();
    await this.#runtimes?.stop();
    if (this.#purge !== undefined) await this.#runtimes?.purge({ volumes: this.#purge });
    this.#link?.close();
    this.#outbox?.close();
    this.#statusFile?.remove();
    if (this.#purge !== undefined) this.#state?.forget(this.#purge);
    this.#resolveRemoved();
    await this.#control?.close();
    this.#state?.release();
    this.#resolveEnded(end);
  }
}
