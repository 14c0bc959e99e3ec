/**
 * The runtimes of the assigned workloads, one each, so that a new assignment affects only the workloads that it changes. A
 * withdrawn workload gets no more tasks, and its runtime is stopped when the last one has ended.
 */
import { errorMessage } from '@rma/protocol/error';
import type { Assignment } from '@rma/protocol/worker';
import type { PurgeOptions, Runtime } from '@rma/workloads/runtime';
import type { AgentLog } from '../log.js';

/** How long tasks of a withdrawn workload may continue. */
const WITHDRAW_MS = 15 * 60_000;

/** One of an assignment's workloads. */
export type AssignedWorkload = Pick<Assignment['workloads'][number], 'workload' | 'container'>;

export interface AssignedRuntimesOptions {
  /** @throws Error for a workload that does not exist here */
  create(assigned: AssignedWorkload): Runtime;
  /** Makes an existing runtime match the assignment; false where it takes a new one. */
  update(runtime: Runtime, assigned: AssignedWorkload): boolean;
  /** The list of runtimes, or the status of a service, changed. */
  changed(): void;
  /** Resolves once no task runs on it, or after the timeout. */
  idle(runtime: Runtime, timeoutMs: number): Promise<unknown>;
  readonly log: AgentLog;
}

export class AssignedRuntimes {
  readonly #options: AssignedRuntimesOptions;
  readonly #fixed: Runtime[];
  readonly #assigned = new Map<string, Runtime>();
  readonly #withdrawn = new Set<Runtime>();
  #stopped = false;

  /** @param fixed runtimes that do not depend on the assignment */
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

  /** Adds and starts a fixed runtime. */
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
      const assigned = workloads.find((candidate) => candidate.workload === workload);
      if (assigned !== undefined && this.#options.update(runtime, assigned)) continue;
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
        this.#options.log.warn({ workload }, `cannot run the assigned workload ${workload}: ${errorMessage(error)}`);
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
        this.#options.log.error({}, `something could not be removed from this machine: ${errorMessage(error)}`);
      }
    }
  }

  #start(runtime: Runtime, workload: string): void {
    runtime
      .start(() => this.#options.changed())
      .catch((error: unknown) => {
        this.#options.log.error({ workload }, `${workload} cannot be started: ${errorMessage(error)}`);
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
      this.#options.log.error({}, `a runtime did not stop cleanly: ${errorMessage(error)}`);
    }
  }
}
