/**
 * One child process that runs the handlers of one workload, one task at a time. It owns the process from fork to exit:
 * loading, the current run, the memory limit, and the kill of its whole process group.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { Failure, Job, JobListener, LlmEndpoint, Outcome } from '../runtime.js';
import { DATA_DIR_VARIABLE, scrubEnvironment } from './environment.js';
import { type FromChild, isFromChild, type ToChild } from './messages.js';
import { preferForOutOfMemoryKill, residentMiB } from './resident-memory.js';
import { MEMORY_NOTICE } from './watchdog.js';

/** How long a handler may take to stop on its signal before its process is killed. */
const KILL_GRACE_MS = 1_000;
const MEMORY_CHECK_EVERY_MS = 100;
/** How long after a process's exit its standard error is still read. */
const DRAIN_MS = 500;
/** How much of what a process writes to standard error is kept to explain its end. */
const STDERR_KEPT = 4_096;

/** What a process is started with. */
export interface HandlerProcessOptions {
  readonly workload: string;
  /** File URL of the module of handlers. */
  readonly module: string;
  readonly memoryMiB: number;
  readonly loadTimeoutMs: number;
  /** Scratch directory: the process's working directory and HOME. */
  readonly home: string;
  /** Where its workload keeps data. */
  readonly dataDir?: string | undefined;
  /** The LLM that its handlers may use at the moment. */
  readonly llm?: (() => LlmEndpoint | undefined) | undefined;
  /** A line that the process wrote, for the log. */
  output(line: string): void;
}

/** Callbacks of the service that owns the process. */
export interface HandlerProcessEvents {
  /** Its module is loaded; answers why it may not serve, or undefined. */
  loaded(kinds: readonly string[]): string | undefined;
  /** It is free for the next run. */
  idle(): void;
  ended(end: ProcessEnd): void;
}

/** How a process ended. */
export type ProcessEnd =
  /** It never loaded: the reason is its module's. */
  | { readonly cause: 'broken'; readonly reason: string }
  /** It was ended on purpose: its run was stopped, or it was no longer needed. */
  | { readonly cause: 'killed' }
  | { readonly cause: 'crashed'; readonly reason: string };

interface Run {
  readonly number: number;
  readonly kind: string;
  readonly listener: JobListener;
  readonly settle: (outcome: Outcome) => void;
  /** Set once the run is being stopped: what it fails with, whatever the handler still answers. */
  stopFailure?: Failure;
}

type State =
  | { readonly name: 'loading' }
  | { readonly name: 'idle' }
  | { readonly name: 'busy'; readonly run: Run }
  | { readonly name: 'ended' };

/** See the file's head. States: loading -> idle <-> busy, any -> ended. */
export class HandlerProcess {
  readonly #options: HandlerProcessOptions;
  readonly #events: HandlerProcessEvents;
  readonly #child: ChildProcess;
  readonly #exited: Promise<void>;
  #state: State = { name: 'loading' };
  #lastRun = 0;
  #stderr = '';
  #brokenReason: string | undefined;
  #killed = false;
  #loadTimer: NodeJS.Timeout | undefined;
  #graceTimer: NodeJS.Timeout | undefined;
  #drainTimer: NodeJS.Timeout | undefined;
  #memoryTimer: NodeJS.Timeout | undefined;

  constructor(options: HandlerProcessOptions, events: HandlerProcessEvents) {
    this.#options = options;
    this.#events = events;
    this.#child = fork(
      fileURLToPath(new URL('./child.js', import.meta.url)),
      [options.module, String(process.pid), String(options.memoryMiB), options.home],
      {
        serialization: 'advanced',
        env: {
          ...scrubEnvironment(process.env, options.home),
          ...(options.dataDir === undefined ? {} : { [DATA_DIR_VARIABLE]: options.dataDir }),
        },
        execArgv: [`--max-old-space-size=${options.memoryMiB}`],
        cwd: options.home,
        stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
        // A group of its own, so that what a handler starts ends with it; on Windows this would open a console.
        detached: process.platform !== 'win32',
      },
    );
    if (this.#child.pid !== undefined) preferForOutOfMemoryKill(this.#child.pid);
    this.#child.stdout?.on('data', (data: Buffer) => this.#write(String(data)));
    this.#child.stderr?.on('data', (data: Buffer) => {
      this.#stderr = (this.#stderr + String(data)).slice(-STDERR_KEPT);
      this.#write(String(data));
    });
    this.#child.on('message', (message) => this.#receive(message));
    this.#exited = new Promise((resolve) => {
      const finish = (code: number | null, signal: NodeJS.Signals | null): void => {
        clearTimeout(this.#drainTimer);
        if (this.#state.name !== 'ended') this.#finish(code, signal);
        resolve();
      };
      // 'close' comes once standard error is read to its end, unless something that left the group still holds it open.
      this.#child.once('exit', (code, signal) => {
        this.#killGroup();
        this.#drainTimer = setTimeout(() => finish(code, signal), DRAIN_MS);
      });
      this.#child.once('close', finish);
      this.#child.on('error', (error) => {
        this.#stderr += `\n${error.message}`;
        if (this.#child.pid === undefined) finish(null, null);
      });
    });
    this.#watchMemory();
    this.#loadTimer = setTimeout(() => {
      this.#brokenReason = `${options.workload} did not load within ${options.loadTimeoutMs / 1_000} s`;
      this.#kill();
    }, options.loadTimeoutMs);
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  get idle(): boolean {
    return this.#state.name === 'idle';
  }

  get loaded(): boolean {
    return this.#state.name === 'idle' || this.#state.name === 'busy';
  }

  /** Resident memory in MiB; undefined where the system does not report it. */
  get memoryMiB(): number | undefined {
    return this.#child.pid === undefined ? undefined : residentMiB(this.#child.pid);
  }

  /** Runs a job; only while `idle`. `settle` is called once, when nothing of the run is left. */
  run(job: Job, listener: JobListener, settle: (outcome: Outcome) => void): void {
    if (this.#state.name !== 'idle')
      throw new Error(`${this.#options.workload}: a run was given to a process that is ${this.#state.name}`);
    this.#lastRun += 1;
    this.#state = { name: 'busy', run: { number: this.#lastRun, kind: job.kind, listener, settle } };
    this.#watchMemory();
    const llm = this.#options.llm?.();
    const request = { type: 'run', run: this.#lastRun, kind: job.kind, input: job.input } as const;
    this.#send(llm === undefined ? request : { ...request, llm });
  }

  /** Asks the current run to stop and, if it does not within a second, kills the process. The run fails with `failure`. */
  abort(failure: Failure): void {
    if (this.#state.name !== 'busy' || this.#state.run.stopFailure) return;
    const { run } = this.#state;
    run.stopFailure = failure;
    this.#send({ type: 'abort', run: run.number, reason: failure.message });
    this.#graceTimer = setTimeout(() => this.#kill(), KILL_GRACE_MS);
  }

  /** Ends the process at once, whatever it does; resolves when it has gone. */
  end(): Promise<void> {
    this.#kill();
    return this.#exited;
  }

  #send(message: ToChild): void {
    // A failure here means that the process is ending; its exit settles the run.
    this.#child.send(message, (error) => {
      if (error) this.#stderr += `\n${error.message}`;
    });
  }

  #receive(message: unknown): void {
    if (!isFromChild(message)) {
      this.#write('sent a message that is not part of its protocol; ignored');
      return;
    }
    if (message.type === 'loaded') this.#onLoaded(message.kinds);
    else if (message.type === 'broken') {
      this.#brokenReason = message.reason;
      this.#kill();
    } else this.#onRunMessage(message);
  }

  #onLoaded(kinds: readonly string[]): void {
    if (this.#state.name !== 'loading' || this.#killed) return;
    const refusal = this.#events.loaded(kinds);
    if (refusal !== undefined) {
      this.#brokenReason = refusal;
      this.#kill();
      return;
    }
    clearTimeout(this.#loadTimer);
    clearInterval(this.#memoryTimer);
    this.#state = { name: 'idle' };
    this.#events.idle();
  }

  #onRunMessage(message: Extract<FromChild, { run: number }>): void {
    if (this.#state.name !== 'busy' || this.#state.run.number !== message.run) return;
    const { run } = this.#state;
    if (message.type === 'done') {
      clearTimeout(this.#graceTimer);
      clearInterval(this.#memoryTimer);
      this.#state = { name: 'idle' };
      run.settle(run.stopFailure ? { ok: false, error: run.stopFailure } : message.outcome);
      if (this.idle) this.#events.idle();
    } else if (run.stopFailure === undefined) {
      if (message.type === 'chunk') run.listener.chunk(message.value);
      else if (message.note === undefined) run.listener.progress(message.fraction);
      else run.listener.progress(message.fraction, message.note);
    }
  }

  /** While it loads or runs; at other times the watchdog inside the process suffices. */
  #watchMemory(): void {
    clearInterval(this.#memoryTimer);
    this.#memoryTimer = setInterval(() => {
      const resident = this.memoryMiB;
      if (resident === undefined || resident <= this.#options.memoryMiB) return;
      this.#fail(this.#memoryFailure(`${Math.round(resident)} MiB`));
      this.#kill();
    }, MEMORY_CHECK_EVERY_MS);
  }

  /** Sets what the current run fails with or, while loading, why the module is broken. */
  #fail(failure: Failure): void {
    if (this.#state.name === 'busy') this.#state.run.stopFailure ??= failure;
    else if (this.#state.name === 'loading') this.#brokenReason ??= failure.message;
  }

  #memoryFailure(held: string): Failure {
    const what = this.#state.name === 'busy' ? this.#state.run.kind : this.#options.workload;
    const message = `${what} was killed: it held ${held}, and its limit is ${this.#options.memoryMiB} MiB. Send a smaller input.`;
    return { code: 'memory', message, retryable: true };
  }

  #kill(): void {
    this.#killed = true;
    this.#killGroup();
  }

  #killGroup(): void {
    const { pid } = this.#child;
    if (pid === undefined) return;
    try {
      process.kill(process.platform === 'win32' ? pid : -pid, 'SIGKILL');
    } catch (error) {
      const code = error instanceof Error && 'code' in error ? error.code : undefined;
      // Gone already is as good; a group that does not exist yet leaves the process itself.
      if (code === 'ESRCH') this.#child.kill('SIGKILL');
      else throw error;
    }
  }

  #finish(code: number | null, signal: NodeJS.Signals | null): void {
    clearInterval(this.#memoryTimer);
    clearTimeout(this.#loadTimer);
    clearTimeout(this.#graceTimer);
    if (this.#stderr.includes(MEMORY_NOTICE) || this.#stderr.includes('heap out of memory')) {
      this.#fail(this.#memoryFailure('more than that'));
    }
    const before = this.#state;
    const reason = this.#explainExit(code, signal);
    this.#state = { name: 'ended' };
    let deliberate = this.#killed;
    if (before.name === 'busy') {
      const { run } = before;
      deliberate ||= run.stopFailure !== undefined;
      const message = `${run.kind} crashed: ${reason}. Only this task was lost; another attempt may succeed.`;
      run.settle({ ok: false, error: run.stopFailure ?? { code: 'crashed', message, retryable: true } });
    }
    if (before.name === 'loading' && !(this.#killed && this.#brokenReason === undefined)) {
      this.#events.ended({ cause: 'broken', reason: this.#brokenReason ?? reason });
    } else this.#events.ended(deliberate ? { cause: 'killed' } : { cause: 'crashed', reason });
  }

  #explainExit(code: number | null, signal: NodeJS.Signals | null): string {
    const how =
      signal !== null ? `killed by ${signal}` : code !== null ? `exit status ${code}` : 'could not be started';
    const lines = this.#stderr.split('\n').map((line) => line.trim());
    const error = lines.find((line) => /^\w*Error\b.*:/.test(line)) ?? lines.filter((line) => line !== '').at(-1);
    return error === undefined ? `its process ended (${how})` : `its process ended (${how}): ${error.slice(0, 300)}`;
  }

  #write(text: string): void {
    for (const line of text.split('\n')) if (line.trim() !== '') this.#options.output(line.slice(0, 500));
  }
}
