/**
 * Carries out availability at the link: connects while available, takes no new tasks while draining, and while unavailable
 * finishes or hands back what runs and disconnects. A newer change supersedes one that is still being carried out.
 */
import type { DonorPolicy, Engine } from '@rma/protocol/workload';
import type { Link } from '../link/link.js';
import type { AgentLog } from '../log.js';
import { type Availability, wirePolicy } from './availability.js';
import { timeText } from './human-time.js';
import type { PolicyMonitor } from './policy-monitor.js';

/** How long cancelled tasks may take to end; a runtime kills after a second. */
const CANCEL_MS = 3_000;
/** How long acknowledgements are waited for; unacknowledged results stay in the outbox. */
const ACKNOWLEDGE_MS = 2_000;

export interface AvailabilityControllerOptions {
  readonly monitor: PolicyMonitor;
  readonly link: Link;
  readonly log: AgentLog;
  /** Nothing runs any more and the connection is closed: services may release their memory. */
  disconnected(): void;
}

export class AvailabilityController {
  readonly #options: AvailabilityControllerOptions;
  /** Number of changes so far; a disconnect that began under an earlier one gives up. */
  #generation = 0;
  #state: Availability['state'] = 'available';
  #stopped = false;
  /** What the coordinator was sent last, and what was logged last, as text to compare with. */
  #sentPolicy = '';
  #logged = '';

  constructor(options: AvailabilityControllerOptions) {
    this.#options = options;
  }

  /** For `hello`. */
  get policy(): DonorPolicy {
    const { monitor } = this.#options;
    const policy = wirePolicy(monitor.policy, monitor.availability);
    this.#sentPolicy = JSON.stringify(policy);
    return policy;
  }

  /** Dials, unless the machine is unavailable now. */
  start(): void {
    const { monitor, link } = this.#options;
    const { availability } = monitor;
    this.#limitBandwidth();
    this.#state = availability.state;
    this.#report(availability, 0);
    if (availability.state !== 'available') link.drain(true);
    link.start(availability.state === 'unavailable');
  }

  /** Policy or availability changed. */
  changed(): void {
    if (this.#stopped) return;
    const { monitor, link } = this.#options;
    const { availability } = monitor;
    this.#limitBandwidth();
    const before = this.#sentPolicy;
    const policy = this.policy;
    if (this.#sentPolicy !== before) link.send({ type: 'policy', policy });
    this.#generation += 1;
    const was = this.#state;
    this.#state = availability.state;
    const wasUnfinished = link.unfinished;
    if (availability.state === 'unavailable') void this.#disconnect(availability, this.#generation);
    else {
      link.drain(availability.state === 'draining');
      link.resume();
    }
    if (was !== availability.state || availability.state !== 'available') this.#report(availability, wasUnfinished);
  }

  /** A container engine was found after the start: containers can be placed here. */
  engineFound(engine: Engine): void {
    if (!this.#stopped) this.#options.link.send({ type: 'policy', policy: this.policy, engine });
  }

  /** The agent shuts down: changes of availability have no effect any more. */
  stop(): void {
    this.#stopped = true;
    this.#generation += 1;
  }

  async #disconnect(availability: Extract<Availability, { state: 'unavailable' }>, generation: number): Promise<void> {
    const { monitor, link, disconnected } = this.#options;
    const superseded = (): boolean => this.#generation !== generation;
    link.drain(true);
    const { graceMinutes, whenClosed } = monitor.policy;
    const graceMs = availability.immediate || whenClosed === 'return' ? 0 : graceMinutes * 60_000;
    await link.until(() => link.unfinished === 0 || superseded(), graceMs);
    if (superseded()) return;
    if (link.unfinished > 0) {
      this.#options.log.info(
        { tasks: link.unfinished },
        `handed back ${link.unfinished} running ${link.unfinished === 1 ? 'task' : 'tasks'}: ${availability.reason}`,
      );
      link.cancelAll(`handed back: ${availability.reason}`);
      await link.until(() => link.unfinished === 0 || superseded(), CANCEL_MS);
    }
    await link.until(() => link.unacknowledged === 0 || !link.online || superseded(), ACKNOWLEDGE_MS);
    if (superseded()) return;
    link.suspend();
    disconnected();
  }

  #limitBandwidth(): void {
    const { bandwidthKiBps } = this.#options.monitor.policy.caps;
    this.#options.link.limitBandwidth(bandwidthKiBps === undefined ? Number.POSITIVE_INFINITY : bandwidthKiBps * 1_024);
  }

  /** Logs an availability once, with what happens to `tasks` running tasks. */
  #report(availability: Availability, tasks: number): void {
    const { monitor, log } = this.#options;
    const { reason, untilMs } = { reason: undefined, untilMs: undefined, ...availability };
    const text = `${availability.state} ${reason ?? ''} ${untilMs ?? ''}`;
    if (text === this.#logged) return;
    const first = this.#logged === '';
    this.#logged = text;
    const fields = { reason, until: untilMs === undefined ? undefined : new Date(untilMs).toISOString() };
    const until = untilMs === undefined ? undefined : timeText(untilMs, monitor.policy.timeZone);
    if (availability.state === 'available') {
      if (!first) log.info(fields, `available again${until === undefined ? '' : ` until ${until}`}`);
    } else if (availability.state === 'draining') log.warn(fields, `takes no new tasks: ${availability.reason}`);
    else {
      const unknown = availability.cause === 'paused' ? 'at `rma-worker resume`' : 'once its owner is away';
      const running = tasks === 0 ? '' : `; ${tasks} running ${tasks === 1 ? 'task' : 'tasks'}`;
      log.info(fields, `unavailable (${availability.reason}): disconnects; back ${until ?? unknown}${running}`);
    }
  }
}
