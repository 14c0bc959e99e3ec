/**
 * The runtime port: what executes tasks on this machine (embedded handlers, containers, endpoints) stands behind it. The
 * agent's link and the task server know nothing else of runtimes. Also the contract of handlers.
 */
import type { WorkloadManifest } from './manifest.js';

/** Why an execution did not succeed. `retryable` says whether another attempt may help. */
export interface Failure {
  /** A stable, dotted word, for example `input.damaged`, `timeout`, `memory`, `crashed`, `cancelled`. */
  readonly code: string;
  /** What happened, to what, and what to do next. */
  readonly message: string;
  readonly retryable: boolean;
}

export type Outcome = { readonly ok: true; readonly output: unknown } | { readonly ok: false; readonly error: Failure };

/** One execution of a task: plain values in, bytes as `Uint8Array`. */
export interface Job {
  readonly kind: string;
  readonly input: unknown;
  /** Wall time that the attempt may take, in ms. */
  readonly timeoutMs: number;
}

/** What an execution reports while it runs. */
export interface JobListener {
  /** `fraction` from 0 to 1, `note` for people. */
  progress(fraction: number, note?: string): void;
  /** A piece of streamed output. */
  chunk(value: unknown): void;
}

export interface Execution {
  /** Settles exactly once, and only when nothing of the execution runs any more; never rejects. */
  readonly done: Promise<Outcome>;
  /** Asks it to stop; a handler that ignores its signal is killed after a second. */
  cancel(): void;
}

export type ServiceState = 'pending' | 'pulling' | 'starting' | 'healthy' | 'unhealthy' | 'stopped';

/** A running instance of a workload on this machine. */
export interface ServiceStatus {
  readonly name: string;
  readonly runtime: 'embedded' | 'docker' | 'endpoint';
  readonly state: ServiceState;
  /** The task kinds that it serves once healthy. */
  readonly kinds: readonly string[];
  /** How many tasks it takes at once. */
  readonly slots: number;
  /** Why it is in this state, where that is not obvious. */
  readonly reason?: string;
  /** The catalogue entry that it runs. */
  readonly workload?: string;
  /** How far the image is that is being pulled. */
  readonly pull?: { readonly bytes: number; readonly totalBytes?: number };
  /** Of an LLM service: a task may name one of them, as `model` of its input. */
  readonly models?: readonly string[];
}

/** A line that a service wrote. */
export interface LogLine {
  /** RFC 3339; with nanoseconds where they are known. */
  readonly at: string;
  readonly stream: 'stdout' | 'stderr';
  readonly text: string;
}

export interface Runtime {
  /** Starts its services; `changed` is called whenever `services()` would answer differently. */
  start(changed: () => void): Promise<void>;
  services(): readonly ServiceStatus[];
  execute(job: Job, listener: JobListener): Execution;
  /** The last lines that its service wrote, those after `since` where given; absent where they are not kept. */
  logs?(lines: number, since: string | undefined): Promise<readonly LogLine[]>;
  /** Ends every execution and process; resolves when none is left. */
  stop(): Promise<void>;
  /** The machine leaves the pool: after `stop`, removes all that the runtime ever put on it, of earlier runs, too. */
  purge?(options: PurgeOptions): Promise<void>;
}

export interface PurgeOptions {
  /** The data of stateful services, too. */
  readonly volumes: boolean;
}

/** A server on this machine or its network that speaks the OpenAI API. */
export interface LlmEndpoint {
  /** With its path: `http://127.0.0.1:11434/v1`. */
  readonly baseUrl: string;
  readonly model: string;
  /** Sent as a bearer token. */
  readonly key?: string | undefined;
}

/** What a handler gets beside its input. */
export interface TaskContext {
  /** Aborted when the task is cancelled, times out, or the agent stops. */
  readonly signal: AbortSignal;
  progress(fraction: number, note?: string): void;
  chunk(value: unknown): void;
  /** Where this worker has an LLM, for the built-in handlers that make use of one. */
  readonly llm?: LlmEndpoint | undefined;
}

/** The shape of one's own handlers, and of the built-in ones. Throw a `TaskError` to say why a task failed. */
export type Handler = (input: unknown, context: TaskContext) => unknown;

/** The handlers of a workload: one for each kind of its manifest. */
export type HandlersOf<M extends WorkloadManifest> = Readonly<Record<keyof M['kinds'] & string, Handler>>;

/** Thrown by a handler to fail its task with a code of its own; any other error becomes `handler.error`, retryable. */
export class TaskError extends Error {
  constructor(
    readonly code: string,
    message: string,
    readonly retryable = false,
  ) {
    super(message);
    this.name = 'TaskError';
  }
}
