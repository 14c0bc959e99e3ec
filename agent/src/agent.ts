/**
 * The agent as a whole: the state directory, the runtimes that the coordinator assigned, and the link to it. `rma-worker`
 * is a shell around this; tests and benchmarks use it in their own process.
 */
import { randomBytes } from 'node:crypto';
import os from 'node:os';
import { hardwareLimits } from '@rma/protocol/hardware';
import type { Labels } from '@rma/protocol/task';
import type { Assignment, Available } from '@rma/protocol/worker';
import type { AgentOptions } from './agent-options.js';
import { type AgentEnd, Announcements, type Teller } from './announcements.js';
import { type CoordinatorAddress, parseCoordinatorAddress } from './coordinator-address.js';
import { Credential } from './credential.js';
import { AgentFault, EXIT } from './fault.js';
import { Leaving } from './leaving.js';
import { Link } from './link/link.js';
import type { LinkEnd, LinkEvents } from './link/link-options.js';
import { type AgentLog, silentLog, TaskLines } from './log.js';
import { availableWorkloads, offered } from './offer.js';
import { BlobFiles } from './outbox/blob-files.js';
import { Outbox } from './outbox/outbox.js';
import { admitted } from './policy/allow-list.js';
import { type ControlOrders, ControlServer, type DepartOptions, type Departure } from './policy/control-server.js';
import { Donor } from './policy/donor.js';
import { Lender } from './policy/lender.js';
import { type AgentStatus, describeAgent } from './policy/status.js';
import { capHardware } from './policy/terms.js';
import { Presence } from './presence.js';
import { sampleLoad } from './probe/load.js';
import { probeHardware } from './probe/probe.js';
import { defaultStateDir, StateDir } from './state-dir.js';
import { VERSION } from './version.js';
import { WorkerRuntimes } from './worker-runtimes.js';

const GRACE_MS = 5_000;

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
  readonly #instance = randomBytes(12).toString('base64url');
  #state: StateDir | undefined;
  #presence: Presence | undefined;
  #credential: Credential | undefined;
  #donor: Donor | undefined;
  #outbox: Outbox | undefined;
  #runtimes: WorkerRuntimes | undefined;
  #link: Link | undefined;
  #lender: Lender | undefined;
  #leaving: Leaving | undefined;
  #control: ControlServer | undefined;
  #assignment: Assignment | undefined;
  #onlineSinceMs: number | undefined;
  #disconnected: { readonly reason: string; readonly retryAtMs: number } | undefined;
  #draining: Promise<void> | undefined;
  #ending: Promise<void> | undefined;
  #resolveEnded: (end: AgentEnd) => void = () => undefined;
  /** Set once the worker has left for good: also the data of services? */
  #purge: boolean | undefined;
  #resolveRemoved: () => void = () => undefined;
  readonly #removed = new Promise<void>((resolve) => {
    this.#resolveRemoved = resolve;
  });

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
    this.#presence = new Presence(state.path, this.#log);
    try {
      await this.#begin(state, address, available);
    } catch (error) {
      await this.#finish({ exitStatus: error instanceof AgentFault ? error.exitStatus : EXIT.setup });
      throw error;
    }
  }

  /** Makes its parts, from the ground up, and dials; stops in between where it was told to end. */
  async #begin(state: StateDir, address: CoordinatorAddress, available: readonly Available[]): Promise<void> {
    const log = this.#log;
    const { token, configFile, donorSources, control } = this.#options;
    const credential = new Credential(state, { token, url: address.identity, log });
    this.#credential = credential;
    const changed = (): void => this.#termsChanged();
    const donor = new Donor({ stateDir: state.path, configFile, log, changed, sources: donorSources });
    this.#donor = donor;
    const outbox = new Outbox(state.path, log);
    this.#outbox = outbox;
    const blobs = new BlobFiles(state.path, (error) => this.#announcements.diskFailed(error));
    const hardware = this.#options.hardware ?? (await probeHardware({ stateDir: state.path }));
    const runtimes = new WorkerRuntimes({
      agent: this.#options,
      donor,
      state,
      log,
      changed: (list) => this.#announcements.services(list),
      engineFound: (engine) => {
        this.#lender?.found(engine);
        this.#termsChanged();
      },
      worker: () => this.worker?.id,
    });
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
        hardware: capHardware(hardware, donor.policy.caps),
        available: offered(available, donor.policy.allow),
        policy: lender.policy,
        ...(runtimes.engine === undefined ? {} : { engine: runtimes.engine }),
      }),
      admit: (status) => admitted(status, donor.policy.allow),
      version: VERSION,
      outbox,
      blobs,
      log,
      sample: this.#options.sample === false ? undefined : (this.#options.sample ?? sampleLoad),
      events: this.#events(),
    });
    this.#link = link;
    const lender: Lender = new Lender({ donor, link, log, closed: () => runtimes.rest() });
    this.#lender = lender;
    const { url } = this.#options;
    this.#leaving = new Leaving({ link, lender, log, url, online: () => this.online, worker: () => this.worker?.id });
    runtimes.start(link);
    if (control === true) this.#control = await ControlServer.listen(state, this.#orders(), log);
    if (this.#ending !== undefined) {
      await this.#control?.close();
      return;
    }
    donor.start();
    lender.start();
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
        this.#presence?.tell('offline', `no connection to ${this.#options.url}: ${lost.why}`);
        this.#announcements.lost(lost);
      },
      ended: (end) => this.#sessionEnded(end),
      failed: (error) => this.#failed(error),
      started: (attempt) => this.#taskLines.started(attempt.dispatch?.kind ?? '', attempt.task),
    };
  }

  #assigned(assignment: Assignment): void {
    this.#onlineSinceMs ??= Date.now();
    this.#disconnected = undefined;
    this.#assignment = assignment;
    this.#presence?.tell('online');
    this.#announcements.assigned(assignment);
    this.#runtimes?.run(assignment);
  }

  #termsChanged(): void {
    this.#lender?.changed();
    this.#link?.servicesChanged();
    if (this.online) this.#runtimes?.run(this.#assignment);
  }

  #orders(): ControlOrders {
    return {
      status: () => this.status(),
      pause: (untilMs) => this.#donor?.setPause({ untilMs }),
      resume: () => this.#donor?.setPause(undefined),
      leave: (options) => this.depart(options),
    };
  }

  status(): AgentStatus {
    return describeAgent({
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
      donor: this.#donor,
    });
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

  drain(graceMs = GRACE_MS): Promise<void> {
    this.#draining ??= this.#drain(graceMs);
    return this.#draining;
  }

  async #drain(graceMs: number): Promise<void> {
    if (this.#ending === undefined) await this.#leaving?.drain(graceMs);
    await this.#finish({ exitStatus: EXIT.done });
  }

  async depart({ purge, graceMs = GRACE_MS }: DepartOptions): Promise<Departure> {
    const worker = this.worker?.id;
    if (this.#leaving === undefined || this.#ending !== undefined || this.#draining !== undefined)
      throw new AgentFault('the agent is ending already; try again once it has ended');
    const told = await this.#leaving.depart(graceMs);
    this.#purge = purge;
    void this.#finish({ exitStatus: EXIT.done });
    await this.#removed;
    return { worker, told };
  }

  async stop(): Promise<void> {
    this.#link?.leave();
    await this.#finish({ exitStatus: EXIT.done });
  }

  #sessionEnded(end: LinkEnd): void {
    if (end.cause === 'left' || (this.#leaving?.departing === true && end.close !== 'unsupported_version'))
      this.#leaving?.left();
    else void this.#finish(this.#announcements.explain(end));
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
    this.#lender?.stop();
    this.#donor?.stop();
    await this.#runtimes?.stop();
    if (this.#purge !== undefined) await this.#runtimes?.purge({ volumes: this.#purge });
    this.#link?.close();
    this.#outbox?.close();
    this.#presence?.remove();
    if (this.#purge !== undefined) this.#state?.forget(this.#purge);
    this.#resolveRemoved();
    await this.#control?.close();
    this.#state?.release();
    this.#resolveEnded(end);
  }
}
