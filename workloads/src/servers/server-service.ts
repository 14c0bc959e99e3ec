/**
 * A data server as a service of this worker: started, health-checked, restarted with a growing pause when it ends or
 * hangs, stopped with the agent. Its handlers run inside the agent and only pass queries on.
 */

import { failedExecution, unavailableFailure } from '../host/failures.js';
import { InProcessService } from '../host/in-process-service.js';
import type { EmbeddedService } from '../host/service.js';
import type { Execution, Job, JobListener, ServiceState, ServiceStatus } from '../runtime.js';
import type { DataServer, PrepareServer } from './data-server.js';
import { ServerProcess } from './server-process.js';

export interface ServerServiceOptions {
  readonly name: string;
  readonly kinds: readonly string[];
  readonly slots: number;
  readonly prepare: PrepareServer;
  changed(): void;
  /** Logs a problem that the donor should see. */
  log(message: string): void;
  /** Logs a line that the server wrote. */
  output(line: string): void;
}

const START_WITHIN_MS = 60_000;
const PING_WITHIN_MS = 5_000;
const FIRST_PINGS_EVERY_MS = 200;
const PING_EVERY_MS = 5_000;
/** A server under load may miss a ping or two. */
const MISSED_PINGS = 3;
const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 30_000;
/** A run that lasted so long resets the pause. */
const STEADY_MS = 60_000;

/** See the file's head. */
export class ServerService implements EmbeddedService {
  readonly #options: ServerServiceOptions;
  readonly #stopping = new AbortController();
  #state: ServiceState = 'pending';
  #reason: string | undefined;
  #label: string | undefined;
  #tasks: InProcessService | undefined;
  #process: ServerProcess | undefined;
  #running: Promise<void> | undefined;

  constructor(options: ServerServiceOptions) {
    this.#options = options;
  }

  start(): void {
    this.#running ??= this.#keepRunning();
  }

  status(): ServiceStatus {
    const { name, kinds, slots } = this.#options;
    const reason = this.#reason ?? this.#label;
    const status = { name, runtime: 'embedded', state: this.#state, kinds, slots } as const;
    return reason === undefined ? status : { ...status, reason };
  }

  serves(kind: string): boolean {
    return this.#options.kinds.includes(kind);
  }

  execute(job: Job, listener: JobListener): Execution {
    if (this.#tasks !== undefined && this.#state === 'healthy') return this.#tasks.execute(job, listener);
    const message = `${this.#options.name} is ${this.#state}${this.#reason === undefined ? '' : `: ${this.#reason}`}`;
    return failedExecution(unavailableFailure(message));
  }

  /** The process below, for tests that kill it. */
  get pid(): number | undefined {
    return this.#process?.pid;
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#running;
    this.#move('stopped');
  }

  async #keepRunning(): Promise<void> {
    let failures = 0;
    while (!this.#stopping.signal.aborted) {
      this.#move('starting');
      const startedAt = performance.now();
      const reason = await this.#runOnce().catch((error: unknown) => textOf(error));
      if (this.#stopping.signal.aborted) return;
      failures = performance.now() - startedAt > STEADY_MS ? 1 : failures + 1;
      this.#options.log(`${this.#options.name}: ${reason}`);
      this.#move('unhealthy', reason);
      await this.#pause(Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** Math.min(failures - 1, 10)));
    }
  }

  /** From preparation to the end of the process; resolves with why it ended. */
  async #runOnce(): Promise<string> {
    const server = await this.#options.prepare();
    const process = new ServerProcess(server.launch, (line) => this.#options.output(line));
    this.#process = process;
    const tasks = new InProcessService(this.#options.name, server.handlers, this.#options.slots, () => undefined);
    this.#tasks = tasks;
    this.#label = server.label;
    try {
      return await Promise.race([process.ended, this.#watch(server, process, tasks), this.#untilStopped()]);
    } finally {
      this.#tasks = undefined;
      await tasks.stop();
      await server.close();
      await process.stop();
      this.#process = undefined;
      this.#label = undefined;
    }
  }

  /** Resolves with what is wrong with it. */
  async #watch(server: DataServer, process: ServerProcess, tasks: InProcessService): Promise<string> {
    let over = false;
    void process.ended.then(() => {
      over = true;
    });
    const startedAt = performance.now();
    let missed = 0;
    while (!over && !this.#stopping.signal.aborted) {
      const problem = await pinged(server);
      if (over) break;
      if (problem === undefined) {
        missed = 0;
        if (this.#state !== 'healthy') {
          tasks.start();
          this.#move('healthy');
        }
      } else if (this.#state === 'healthy') {
        missed += 1;
        if (missed >= MISSED_PINGS) return `it does not answer (${problem}); starting it again`;
      } else if (performance.now() - startedAt > START_WITHIN_MS) {
        return `it was not ready within ${START_WITHIN_MS / 1_000} s (${problem})`;
      }
      await this.#pause(this.#state === 'healthy' ? PING_EVERY_MS : FIRST_PINGS_EVERY_MS, process.ended);
    }
    return process.ended;
  }

  /** Also over when the service stops, or `early` resolves. */
  async #pause(ms: number, early?: Promise<unknown>): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const over = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, ms);
    });
    await Promise.race([over, this.#untilStopped(), ...(early === undefined ? [] : [early])]);
    clearTimeout(timer);
  }

  #untilStopped(): Promise<string> {
    return this.#stopped;
  }
  readonly #stopped = new Promise<string>((resolve) => {
    this.#stopping.signal.addEventListener('abort', () => resolve('the agent stopped'), { once: true });
  });

  #move(state: ServiceState, reason?: string): void {
    this.#state = state;
    this.#reason = reason;
    this.#options.changed();
  }
}

async function pinged(server: DataServer): Promise<string | undefined> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<string>((resolve) => {
    timer = setTimeout(() => resolve(`no answer within ${PING_WITHIN_MS / 1_000} s`), PING_WITHIN_MS);
  });
  const answered = server.ping().then(
    () => undefined,
    (error: unknown) => textOf(error),
  );
  const problem = await Promise.race([answered, late]);
  clearTimeout(timer);
  return problem;
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message || error.name : String(error);
}
