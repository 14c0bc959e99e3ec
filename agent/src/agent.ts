/**
 * The agent as a whole: the state directory, the runtimes that the coordinator assigned, and the link to it. `rma-worker`
 * is a shell around this; tests and benchmarks use it in their own process.
 */
import { randomBytes } from 'node:crypto';
import os from 'node:os';
import { type Hardware, hardwareLimits, type LoadSample } from '@rma/protocol/hardware';
import type { Labels } from '@rma/protocol/task';
import type { Assignment, Available } from '@rma/protocol/worker';
import { AssignedRuntimes } from './assigned-runtimes.js';
import { parseCoordinatorAddress } from './coordinator-address.js';
import { createEmbeddedRuntime } from './embedded/runtime.js';
import { EMBEDDED_WORKLOADS, HANDLERS_SERVICE, isEmbeddedWorkload } from './embedded/workloads.js';
import { AgentFault, EXIT, type ExitStatus } from './fault.js';
import { Link, type LinkEvents } from './link/link.js';
import type { SessionEffect, SessionEnd } from './link/session.js';
import { createLlmRuntimes, type LlmOptions } from './llm-runtimes.js';
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
  /** Servers and GGUF files of the donor's that serve language models; they run whatever is assigned. */
  readonly llm?: LlmOptions | undefined;
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

/** How and why an agent ended. */
export interface AgentEnd {
  readonly exitStatus: ExitStatus;
  /** What happened and what to do, where it was not asked to end. */
  readonly message?: string;
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
  #resolveEnded: (end: AgentEnd) => void = () => undefined;
  #state: StateDir | undefined;
  #outbox: Outbox | undefined;
  #link: Link | undefined;
  #runtimes: AssignedRuntimes | undefined;
  #ending: Promise<void> | undefined;
  #draining: Promise<void> | undefined;
  readonly #instance = randomBytes(12).toString('base64url');
  #identityUrl = '';
  #usedStored = false;
  #lossTold = '';
  #joinedBefore = false;
  readonly #serviceStates = new Map<string, string>();

  constructor(options: AgentOptions) {
    this.#options = options;
    this.#log = options.log ?? silentLog();
    this.#taskLines = new TaskLines(this.#log, options.people === true);
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
    this.#identityUrl = address.identity;
    try {
      this.#checkIdentity(state);
      const outbox = new Outbox(state.path, this.#log);
      this.#outbox = outbox;
      const blobs = new BlobFiles(state.path, (error) => this.#tellDiskFailed(error));
      const hardware = this.#options.hardware ?? (await probeHardware({ stateDir: state.path }));
      if (this.#ending !== undefined) return;
      const name = this.#options.name ?? os.hostname();
      const { labels } = this.#options;
      const link = new Link({
        url: address.socketUrl,
        token: () => this.#token(),
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

  #token(): string {
    const stored = this.#state?.identity?.credential;
    this.#usedStored = stored !== undefined;
    return stored ?? this.#options.token ?? '';
  }

  /** The stored credential comes first, but never goes to another coordinator than its own. */
  #checkIdentity(state: StateDir): void {
    const { identity } = state;
    const { token } = this.#options;
    if (identity === undefined) {
      if (token !== undefined && token !== '') return;
      throw new AgentFault(
        `no token: the first start needs a join token. Give --token-file FILE, --token TOKEN or RMA_TOKEN; the pool's admin has one (join.token in the coordinator's data directory).`,
      );
    }
    if (identity.url === this.#identityUrl) return;
    if (token === undefined || token === '') {
      throw new AgentFault(
        `${state.path} belongs to ${identity.id} at ${identity.url}, not to ${this.#identityUrl}. Give --url ${identity.url}, or another --state DIR, or --token to join the other pool from here; if the pool has moved, correct "url" in worker.json.`,
      );
    }
    const aside = state.retireIdentity();
    this.#log.warn(
      { worker: identity.id, file: aside },
      `this state directory belonged to ${identity.id} at ${identity.url}; joining ${this.#identityUrl} with the given token instead. The old identity is kept in ${aside}`,
    );
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
    const { handlersFile, runtimes, llm } = this.#options;
    const log = this.#log;
    const scratch = state.scratch;
    const own =
      handlersFile === undefined ? [] : [createEmbeddedRuntime({ workloads: [], handlersFile, scratch, log })];
    const models = llm === undefined ? [] : createLlmRuntimes(llm, { stateDir: state.path, scratch, log });
    const assigned: AssignedRuntimes = new AssignedRuntimes([...(runtimes ?? []), ...own, ...models], {
      create: (workload) => createEmbeddedRuntime({ workloads: [workload], scratch, log }),
      changed: () => {
        link.setRuntimes(assigned.list);
        this.#tellServices(assigned.list);
      },
      idle: (runtime, timeoutMs) => link.until(() => !link.isBusy(runtime), timeoutMs),
      log,
    });
    return assigned;
  }

  #events(): LinkEvents {
    return {
      joined: (worker) => {
        if (worker.credential !== undefined) {
          const { id, name, credential } = worker;
          this.#state?.saveIdentity({ id, credential, url: this.#identityUrl, name });
          this.#usedStored = true;
        }
      },
      assigned: (assignment) => this.#assigned(assignment),
      lost: (lost) => this.#tellLost(lost),
      ended: (end) => this.#sessionEnded(end),
      failed: (error) => this.#failed(error),
      started: (attempt) => this.#taskLines.started(attempt.dispatch?.kind ?? '', attempt.task),
    };
  }

  #assigned(assignment: Assignment): void {
    const { tier, reasons, workloads } = assignment;
    const worker = this.worker;
    const names = workloads.map(({ workload }) => workload);
    const what = tier === null ? 'below tier 3' : `tier ${tier}`;
    const summary = { worker: worker?.id, tier, reasons, workloads: names };
    const told = JSON.stringify(summary);
    if (!this.#joinedBefore)
      this.#log.info(summary, `joined as ${worker?.id} "${worker?.name}", ${what} (${reasons.join('; ')})`);
    else if (this.#lossTold !== '') this.#log.info({ worker: worker?.id }, `back on line as ${worker?.id}`);
    else if (told !== this.#assignmentTold) this.#log.info(summary, `now ${what} (${reasons.join('; ')})`);
    this.#assignmentTold = told;
    this.#joinedBefore = true;
    this.#lossTold = '';
    if (this.#options.runtimes !== undefined) return;
    const { only } = this.#options;
    this.#runtimes?.apply(names.filter((workload) => only === undefined || only.includes(workload)));
  }
  #assignmentTold = '';

  #tellServices(runtimes: readonly Runtime[]): void {
    for (const { name, state, kinds, slots, reason, models } of runtimes.flatMap((runtime) => runtime.services())) {
      const told = `${state} ${reason ?? ''} ${models?.join() ?? ''}`;
      if (this.#serviceStates.get(name) === told) continue;
      this.#serviceStates.set(name, told);
      if (state === 'healthy')
        this.#log.info(
          { service: name, kinds, slots, models },
          `${name} is ready: ${kinds.join(', ')}, ${slots} at once${models === undefined ? '' : `, with ${models.join(', ')}`}`,
        );
      else if (state === 'unhealthy') {
        const what = name === HANDLERS_SERVICE ? 'your own handlers cannot be used' : `${name} does not work`;
        this.#log.error({ service: name, reason }, `${what}: ${reason ?? 'no reason given'}`);
      }
    }
  }

  #tellLost({ wasOnline, why, afterMs, close }: Extract<SessionEffect, { do: 'lost' }>): void {
    const text =
      close === 'replaced'
        ? `another agent connected with this worker's identity; waiting ${Math.round(afterMs / 1_000)} s. Does a copy of ${this.#state?.path} run elsewhere?`
        : `${wasOnline ? 'lost the connection' : `cannot reach ${this.#options.url}`}: ${why}; trying again for as long as it takes`;
    const fields = { afterMs };
    // Once for each new reason: an agent may well be off line for days.
    if (text === this.#lossTold) this.#log.debug(fields, text);
    else this.#log.warn(fields, text);
    this.#lossTold = text;
  }

  #tellDiskFailed(error: unknown): void {
    const why = error instanceof Error ? error.message : String(error);
    this.#log.error(
      { error: why },
      `cannot write an output to ${this.#state?.path} (${why}): it is kept in memory only. Make room on that disk.`,
    );
  }

  #sessionEnded(end: SessionEnd): void {
    if (end.cause === 'left') {
      this.#resolveLeft();
      return;
    }
    void this.#finish(this.#explain(end));
  }

  #explain(end: Extract<SessionEnd, { cause: 'refused' }>): AgentEnd {
    const url = this.#options.url;
    const file = `${this.#state?.path}/worker.json`;
    const rejoin = `remove ${file} and start again with a new join token (--token)`;
    if (end.close === 'unsupported_version') {
      return {
        exitStatus: EXIT.version,
        message: `the coordinator at ${url} speaks another version of the protocol (${end.message}). Install the rma-worker that belongs to it.`,
      };
    }
    if (end.close === 'revoked') {
      const who = this.#usedStored ? `this worker (${this.worker?.id})` : 'the join token';
      return {
        exitStatus: EXIT.refused,
        message: `${who} was revoked at ${url} (${end.message}). Ask the pool's admin; to join anew, ${rejoin}.`,
      };
    }
    const message = this.#usedStored
      ? `the coordinator at ${url} does not accept the stored credential of ${this.worker?.id} (${end.message}). Was it set up anew? To join again, ${rejoin}.`
      : `the coordinator at ${url} does not accept the token (${end.message}). Ask the pool's admin for a join token: \`rma token create join\`, or join.token in the coordinator's data directory.`;
    return { exitStatus: EXIT.refused, message };
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
