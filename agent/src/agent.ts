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
import { Credential } from './credential.js';
import { createEmbeddedRuntime } from './embedded/runtime.js';
import { EMBEDDED_WORKLOADS, isEmbeddedWorkload } from './embedded/workloads.js';
import { parseEndpoint } from './endpoint.js';
import { AgentFault, EXIT } from './fault.js';
import { Link, type LinkEvents } from './link/link.js';
import type { SessionEnd } from './link/session.js';
import { type AgentLog, silentLog, TaskLines } from './log.js';
import { BlobFiles } from './outbox/blob-files.js';
import { Outbox } from './outbox/outbox.js';
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
  /** The only workloads that this machine will run; own handlers always run. */
  readonly only?: readonly string[] | undefined;
  /** Allows an address without encryption that is not this machine. */
  readonly insecure?: boolean | undefined;
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
  #resolveEnded: (end: AgentEnd) => void = () => undefined;
  #state: StateDir | undefined;
  #outbox: Outbox | undefined;
  #link: Link | undefined;
  #runtimes: AssignedRuntimes | undefined;
  #ending: Promise<void> | undefined;
  #draining: Promise<void> | undefined;
  readonly #instance = randomBytes(12).toString('base64url');
  #credential: Credential | undefined;
  #joinedBefore = false;

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
    const endpoint = parseEndpoint(this.#options.url, this.#options.insecure === true);
    const available = this.#available();
    const state = new StateDir(this.#options.stateDir ?? defaultStateDir(), this.#log);
    this.#state = state;
    try {
      const { token } = this.#options;
      const credential = new Credential(state, { token, url: endpoint.identity, log: this.#log });
      this.#credential = credential;
      const outbox = new Outbox(state.path, this.#log);
      this.#outbox = outbox;
      const blobs = new BlobFiles(state.path, (error) => this.#announcements.diskFailed(error));
      const hardware = this.#options.hardware ?? (await probeHardware({ stateDir: state.path }));
      if (this.#ending !== undefined) return;
      const name = this.#options.name ?? os.hostname();
      const { labels } = this.#options;
      const link = new Link({
        url: endpoint.socketUrl,
        token: () => credential.present(),
        describe: () => ({
          key: state.key,
          instance: this.#instance,
          name: name.slice(0, hardwareLimits.nameLength),
          ...(labels === undefined ? {} : { labels }),
          hardware,
          available,
        }),
        version: VERSION,
        outbox,
        blobs,
        log: this.#log,
        sample: this.#options.sample === false ? undefined : (this.#options.sample ?? sampleLoad),
        events: this.#events(),
      });
      this.#link = link;
      this.#runtimes = this.#createRuntimes(link, state);
      this.#runtimes.startFixed();
      link.setRuntimes(this.#runtimes.list);
      link.start();
    } catch (error) {
      await this.#finish({ exitStatus: error instanceof AgentFault ? error.exitStatus : EXIT.setup });
      throw error;
    }
  }

  drain(graceMs = GRACE_MS): Promise<void> {
    this.#draining ??= this.#drain(graceMs);
    return this.#draining;
  }

  async stop(): Promise<void> {
    this.#link?.leave();
    await this.#finish({ exitStatus: EXIT.done });
  }

  async #drain(graceMs: number): Promise<void> {
    const link = this.#link;
    if (link !== undefined && this.#ending === undefined) {
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
      link.leave();
      await Promise.race([this.#left, new Promise((resolve) => setTimeout(resolve, 1_500).unref())]);
    }
    await this.#finish({ exitStatus: EXIT.done });
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
    await this.#runtimes?.stop();
    this.#link?.close();
    this.#outbox?.close();
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

  #createRuntimes(link: Link, state: StateDir): AssignedRuntimes {
    const { handlersFile, runtimes } = this.#options;
    const log = this.#log;
    const scratch = state.scratch;
    const own =
      handlersFile === undefined ? [] : [createEmbeddedRuntime({ workloads: [], handlersFile, scratch, log })];
    const assigned: AssignedRuntimes = new AssignedRuntimes([...(runtimes ?? []), ...own], {
      create: (workload) => createEmbeddedRuntime({ workloads: [workload], scratch, log }),
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
      lost: (lost) => this.#announcements.lost(lost),
      ended: (end) => this.#sessionEnded(end),
      failed: (error) => this.#failed(error),
      started: (attempt) => this.#taskLines.started(attempt.dispatch?.kind ?? '', attempt.task),
    };
  }

  #assigned(assignment: Assignment): void {
    this.#joinedBefore = true;
    this.#announcements.assigned(assignment);
    if (this.#options.runtimes !== undefined) return;
    const { only } = this.#options;
    const names = assignment.workloads.map(({ workload }) => workload);
    this.#runtimes?.apply(names.filter((workload) => only === undefined || only.includes(workload)));
  }

  #sessionEnded(end: SessionEnd): void {
    if (end.cause === 'left') {
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
