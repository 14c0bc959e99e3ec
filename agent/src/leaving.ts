/**
 * How an agent leaves a pool in order: no new tasks, running ones may end or are handed back, all results are told. For
 * good, it has its credential revoked, too.
 */
import type { Link } from './link/link.js';
import type { AgentLog } from './log.js';
import type { Lender } from './policy/lender.js';

/** How long cancelled tasks may take to end; a runtime kills after a second. */
const CANCEL_MS = 3_000;
/** How long acknowledgements of the last results are waited for; unacknowledged ones stay in the outbox. */
const ACKNOWLEDGE_MS = 2_000;
/** How long a coordinator is waited for that shall be told of a departure. */
const REACH_MS = 10_000;
/** How long a coordinator's answer to the end of the session is waited for. */
const CLOSE_MS = 1_500;

export interface LeavingOptions {
  readonly link: Link;
  readonly lender: Lender;
  readonly log: AgentLog;
  /** The coordinator's address, for people. */
  readonly url: string;
  /** Whether it has joined and is connected. */
  online(): boolean;
  /** Who it is, once it has joined. */
  worker(): string | undefined;
}

export class Leaving {
  readonly #options: LeavingOptions;
  #departing = false;
  #isLeft = false;
  #resolveLeft: () => void = () => undefined;
  readonly #left = new Promise<void>((resolve) => {
    this.#resolveLeft = resolve;
  });

  constructor(options: LeavingOptions) {
    this.#options = options;
  }

  /** It leaves for good, so that a refusal means no more than that it is gone. */
  get departing(): boolean {
    return this.#departing;
  }

  /** The session ended as was asked for. */
  left(): void {
    this.#isLeft = true;
    this.#resolveLeft();
    if (this.#departing) this.#options.link.recheck();
  }

  /** Lets running tasks end, cancels what does not within the grace, and ends the session. */
  async drain(graceMs: number): Promise<void> {
    const { lender, link } = this.#options;
    lender.stop();
    await this.#finishTasks(graceMs);
    link.leave();
    await Promise.race([this.#left, new Promise((resolve) => setTimeout(resolve, CLOSE_MS).unref())]);
  }

  /** Drains, and has the credential revoked; with whether the coordinator could be told. */
  async depart(graceMs: number): Promise<boolean> {
    const { lender, link, log, url } = this.#options;
    const worker = this.#options.worker();
    lender.stop();
    this.#departing = true;
    link.resume();
    await link.until(() => this.#options.online() || this.#isLeft, REACH_MS);
    await this.#finishTasks(graceMs);
    link.send({ type: 'leave' });
    const told = await link.until(() => this.#isLeft, link.online ? REACH_MS : 0);
    if (told) log.info({ worker }, `${worker ?? 'the worker'} left the pool for good`);
    else
      log.warn(
        { worker },
        `the coordinator at ${url} could not be told that ${worker ?? 'this worker'} left; its admin can revoke it`,
      );
    return told;
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
