/**
 * Carries out at the link what the donor wants: opens, holds, or closes as the terms say, and dials again when it may.
 * Every change of mind replaces the one before, also in the middle of closing.
 */
import type { DonorPolicy, Engine } from '@rma/protocol/workload';
import type { Link } from '../link/link.js';
import type { AgentLog } from '../log.js';
import type { Donor } from './donor.js';
import type { Lending } from './lending.js';
import { donorPolicy } from './terms.js';

/** How long cancelled tasks may take to end; a runtime kills after a second. */
const CANCEL_MS = 3_000;
/** How long acknowledgements are waited for; unacknowledged results stay in the outbox. */
const ACKNOWLEDGE_MS = 2_000;

export interface LenderOptions {
  readonly donor: Donor;
  readonly link: Link;
  readonly log: AgentLog;
  /** Nothing runs any more and the connection is closed: services may give their memory back. */
  closed(): void;
}

export class Lender {
  readonly #options: LenderOptions;
  /** Counts the changes of mind. */
  #turn = 0;
  #state: Lending['state'] = 'open';
  #stopped = false;
  #policyTold = '';
  #lendingTold = '';

  constructor(options: LenderOptions) {
    this.#options = options;
  }

  /** For `hello`. */
  get policy(): DonorPolicy {
    const { donor } = this.#options;
    const policy = donorPolicy(donor.policy, donor.lending);
    this.#policyTold = JSON.stringify(policy);
    return policy;
  }

  /** Dials, unless it is closed now. */
  start(): void {
    const { donor, link } = this.#options;
    const { lending } = donor;
    this.#limit();
    this.#state = lending.state;
    this.#tell(lending, 0);
    if (lending.state !== 'open') link.drain(true);
    link.start(lending.state === 'closed');
  }

  /** The donor's will is another. */
  changed(): void {
    if (this.#stopped) return;
    const { donor, link } = this.#options;
    const { lending } = donor;
    this.#limit();
    const before = this.#policyTold;
    const policy = this.policy;
    if (this.#policyTold !== before) link.send({ type: 'policy', policy });
    this.#turn += 1;
    const was = this.#state;
    this.#state = lending.state;
    const wasUnfinished = link.unfinished;
    if (lending.state === 'closed') void this.#close(lending, this.#turn);
    else {
      link.drain(lending.state === 'holding');
      link.resume();
    }
    if (was !== lending.state || lending.state !== 'open') this.#tell(lending, wasUnfinished);
  }

  /** The machine can run containers since a moment ago. */
  found(engine: Engine): void {
    if (!this.#stopped) this.#options.link.send({ type: 'policy', policy: this.policy, engine });
  }

  /** The agent ends: from now on it is not opened or closed any more. */
  stop(): void {
    this.#stopped = true;
    this.#turn += 1;
  }

  async #close(lending: Extract<Lending, { state: 'closed' }>, turn: number): Promise<void> {
    const { donor, link, closed } = this.#options;
    const superseded = (): boolean => this.#turn !== turn;
    link.drain(true);
    const { graceMinutes, whenClosed } = donor.policy;
    const graceMs = lending.atOnce || whenClosed === 'return' ? 0 : graceMinutes * 60_000;
    await link.until(() => link.unfinished === 0 || superseded(), graceMs);
    if (superseded()) return;
    if (link.unfinished > 0) {
      this.#options.log.info(
        { tasks: link.unfinished },
        `handed back ${link.unfinished} running ${link.unfinished === 1 ? 'task' : 'tasks'}: ${lending.reason}`,
      );
      link.cancelAll(`handed back: ${lending.reason}`);
      await link.until(() => link.unfinished === 0 || superseded(), CANCEL_MS);
    }
    await link.until(() => link.unacknowledged === 0 || !link.online || superseded(), ACKNOWLEDGE_MS);
    if (superseded()) return;
    link.suspend();
    closed();
  }

  #limit(): void {
    const { bandwidthKiBps } = this.#options.donor.policy.caps;
    this.#options.link.limitBandwidth(bandwidthKiBps === undefined ? Number.POSITIVE_INFINITY : bandwidthKiBps * 1_024);
  }

  #tell(lending: Lending, tasks: number): void {
    const { donor, log } = this.#options;
    const { reason, untilMs } = { reason: undefined, untilMs: undefined, ...lending };
    const text = `${lending.state} ${reason ?? ''} ${untilMs ?? ''}`;
    if (text === this.#lendingTold) return;
    const first = this.#lendingTold === '';
    this.#lendingTold = text;
    const fields = { reason, until: untilMs === undefined ? undefined : new Date(untilMs).toISOString() };
    if (lending.state === 'open') {
      if (!first)
        log.info(
          fields,
          `lent again${untilMs === undefined ? '' : ` until ${timeText(untilMs, donor.policy.timeZone)}`}`,
        );
    } else if (lending.state === 'holding') log.warn(fields, `takes no new tasks: ${lending.reason}`);
    else {
      const back =
        untilMs === undefined
          ? lending.why === 'paused'
            ? 'back at `rma-worker resume`'
            : 'back once it is idle'
          : `back ${timeText(untilMs, donor.policy.timeZone)}`;
      const running = tasks === 0 ? '' : `; ${tasks} running ${tasks === 1 ? 'task' : 'tasks'}`;
      log.info(fields, `not lent now (${lending.reason}): disconnects; ${back}${running}`);
    }
  }
}

/** For people: the day and the clock on their wall. */
export function timeText(atMs: number, timeZone: string): string {
  return new Intl.DateTimeFormat('en-GB', {
    timeZone,
    weekday: 'short',
    day: 'numeric',
    month: 'short',
    hour: '2-digit',
    minute: '2-digit',
    timeZoneName: 'short',
  }).format(atMs);
}
