/**
 * The runtimes of the workloads that the coordinator assigned, one each, so that another assignment touches only what it
 * changes. What is withdrawn gets no more tasks at once and is stopped when its last one ended.
 */
import type { Assignment } from '@rma/protocol/worker';
import type { PurgeOptions, Runtime } from '@rma/workloads/runtime';
import type { AgentLog } from './log.js';

/** How long tasks of a withdrawn workload may go on. */
const WITHDRAW_MS = 15 * 60_000;

/** One of an assignment's workloads. */
export type AssignedWorkload = Pick<Assignment['workloads'][number], 'workload' | 'container'>;

export interface AssignedRuntimesOptions {
  /** @throws Error for a workload that does not exist here */
  create(assigned: AssignedWorkload): Runtime;
  /** Makes a runtime what is asked for now; false where that takes another one. */
  update(runtime: Runtime, assigned: AssignedWorkload): boolean;
  /** The list, or what its services say, is another now. */
  changed(): void;
  /** Resolves once no task runs on it, or after a time. */
  idle(runtime: Runtime, timeoutMs: number): Promise<unknown>;
  readonly log: AgentLog;
}

export class AssignedRuntimes {
  readonly #options: AssignedRuntimesOptions;
  readonly #fixed: Runtime[];
  readonly #assigned = new Map<string, Runtime>();
  readonly #withdrawn = new Set<Runtime>();
  #stopped = false;

  /** @param fixed run whatever is assigned */
  constructor(fixed: readonly Runtime[], options: AssignedRuntimesOptions) {
    this.#fixed = [...fixed];
    this.#options = options;
  }

  get list(): readonly Runtime[] {
    return [...this.#fixed, ...this.#assigned.values()];
  }

  startFixed(): void {
    for (const runtime of this.#fixed) this.#start(runtime, 'own');
  }

  /** One more that runs whatever is assigned, from now on. */
  addFixed(runtime: Runtime): void {
    if (this.#stopped) return;
    this.#fixed.push(runtime);
    this.#start(runtime, 'own');
    this.#options.changed();
  }

  /** Runs these workloads from now on, and no others. */
  apply(workloads: readonly AssignedWorkload[]): void {
    if (this.#stopped) return;
    let changed = false;
    for (const [workload, runtime] of this.#assigned) {
      const still = workloads.find((assigned) => assigned.workload === workload);
      if (still !== undefined && this.#options.update(runtime, still)) continue;
      this.#assigned.delete(workload);
      changed = true;
      void this.#withdraw(workload, runtime);
    }
    for (const assigned of workloads) {
      const { workload } = assigned;
      if (this.#assigned.has(workload)) continue;
      try {
        const runtime = this.#options.create(assigned);
        this.#assigned.set(workload, runtime);
        this.#start(runtime, workload);
        changed = true;
      } catch (error) {
        this.#options.log.warn({ workload }, `cannot run the assigned workload ${workload}: ${textOf(error)}`);
      }
    }
    if (changed) this.#options.changed();
  }

  /** Ends everything; resolves when nothing is left. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await Promise.all([...this.list, ...this.#withdrawn].map((runtime) => this.#stopOne(runtime)));
  }

  /** After `stop`: removes what the runtimes left on the machine. */
  async purge(options: PurgeOptions): Promise<void> {
    for (const runtime of [...this.list, ...this.#withdrawn]) {
      try {
        await runtime.purge?.(options);
      } catch (error) {
        this.#options.log.error({}, `something could not be removed from this machine: ${textOf(error)}`);
      }
    }
  }

  #start(runtime: Runtime, workload: string): void {
    runtime
      .start(() => this.#options.changed())
      .catch((error: unknown) => {
        this.#options.log.error({ workload }, `${workload} cannot be started: ${textOf(error)}`);
      });
  }

  async #withdraw(workload: string, runtime: Runtime): Promise<void> {
    this.#withdrawn.add(runtime);
    this.#options.log.info({ workload }, `${workload} is not assigned to this worker any more`);
    await this.#options.idle(runtime, WITHDRAW_MS);
    if (!this.#stopped) await this.#stopOne(runtime);
    this.#withdrawn.delete(runtime);
  }

  async #stopOne(runtime: Runtime): Promise<void> {
    try {
      await runtime.stop();
    } catch (error) {
      this.#options.log.error({}, `a runtime did not stop cleanly: ${textOf(error)}`);
    }
  }
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
