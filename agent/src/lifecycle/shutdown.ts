/**
 * Orderly ends of a session: `drain` takes no new tasks, lets running ones finish within a grace, cancels the rest and sends
 * all results; `leavePool` does the same and has the worker's credential revoked.
 */
import type { Link } from '../link/link.js';
import type { AgentLog } from '../log.js';
import type { AvailabilityController } from '../policy/availability-controller.js';

/** How long cancelled tasks may take to end; a runtime kills after a second. */
const CANCEL_MS = 3_000;
/** How long acknowledgements of the last results are waited for; unacknowledged ones stay in the outbox. */
const ACKNOWLEDGE_MS = 2_000;
/** How long to wait for a coordinator that is to revoke the credential. */
const REACH_MS = 10_000;
/** How long to wait for the close of the session. */
const CLOSE_MS = 1_500;

export interface ShutdownOptions {
  readonly link: Link;
  readonly availability: AvailabilityController;
  readonly log: AgentLog;
  /** The coordinator's address, for messages. */
  readonly url: string;
  /** Whether it has joined and is connected. */
  online(): boolean;
  /** The worker's id, once it has joined. */
  worker(): string | undefined;
}

export class Shutdown {
  readonly #options: ShutdownOptions;
  #leavingPool = false;
  #isClosed = false;
  #resolveClosed: () => void = () => undefined;
  readonly #closed = new Promise<void>((resolve) => {
    this.#resolveClosed = resolve;
  });

  constructor(options: ShutdownOptions) {
    this.#options = options;
  }

  /** It leaves the pool for good: a close as `revoked` is then the expected end. */
  get leavingPool(): boolean {
    return this.#leavingPool;
  }

  /** The session ended as requested. */
  sessionClosed(): void {
    this.#isClosed = true;
    this.#resolveClosed();
    if (this.#leavingPool) this.#options.link.recheck();
  }

  async drain(graceMs: number): Promise<void> {
    const { availability, link } = this.#options;
    availability.stop();
    await this.#finishTasks(graceMs);
    link.leave();
    await Promise.race([this.#closed, new Promise((resolve) => setTimeout(resolve, CLOSE_MS).unref())]);
  }

  /** @returns whether the coordinator confirmed it */
  async leavePool(graceMs: number): Promise<boolean> {
    const { availability, link, log, url } = this.#options;
    const worker = this.#options.worker();
    availability.stop();
    this.#leavingPool = true;
    link.resume();
    await link.until(() => this.#options.online() || this.#isClosed, REACH_MS);
    await this.#finishTasks(graceMs);
    link.send({ type: 'leave' });
    const confirmed = await link.until(() => this.#isClosed, link.online ? REACH_MS : 0);
    if (confirmed) log.info({ worker }, `${worker ?? 'the worker'} left the pool for good`);
    else
      log.warn(
        { worker },
        `the coordinator at ${url} could not be reached to revoke ${worker ?? 'this worker'}; its admin can revoke it`,
      );
    return confirmed;
  }

  async #finishTasks(graceMs: number): Promise<void> {
    const { link, log } = this.#options;
    link.drain();
    const tasks = link.unfinished;
    log.info(
      { tasks },
      tasks === 0
        ? 'leaving'
        : `leaving: ${tasks} running ${tasks === 1 ? 'task gets' : 'tasks get'} ${graceMs / 1_000} s to finish`,
    );
    if (!(await link.until(() => link.unfinished === 0, graceMs))) {
      log.warn(
        { tasks: link.unfinished },
        `cancelled ${link.unfinished} tasks that did not finish in time; other workers will do them`,
      );
      link.cancelAll();
      await link.until(() => link.unfinished === 0, CANCEL_MS);
    }
    await link.until(() => link.unacknowledged === 0 || !link.online, ACKNOWLEDGE_MS);
  }
}
