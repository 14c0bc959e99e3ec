/**
 * The shell around the machines of this folder: owns the clock, says hello, hands on what comes in, and has once a turn
 * everything sent that came up in it.
 */

import { encodeChunks, encodeResults } from '@rma/peer/message-batch';
import { TokenBucket } from '@rma/peer/token-bucket';
import { checkDown } from '@rma/protocol/check';
import { decodeDown } from '@rma/protocol/codec';
import type { Down, DownOf } from '@rma/protocol/down';
import { LIVENESS_TICK_MS } from '@rma/protocol/liveness';
import { decodeStreamData, isStreamData } from '@rma/protocol/stream';
import type { Up } from '@rma/protocol/up';
import { FEATURES, PROTOCOL_VERSION } from '@rma/protocol/version';
import type { Service, WorkerHello } from '@rma/protocol/worker';
import type { Runtime } from '../runtime/runtime.js';
import { Attempts } from './attempts.js';
import { BlobTransfers } from './blob-transfers.js';
import { Executions } from './executions.js';
import type { LinkOptions } from './link-options.js';
import { answerLogs } from './log-answers.js';
import { Sender } from './sender.js';
import { Services } from './services.js';
import { SessionShell } from './session-shell.js';
import { Waiters } from './waiters.js';

const SAMPLE_EVERY_MS = 5_000;
/** The most attempts that `hello` may name. */
const MAX_NAMED = 10_000;

export class Link {
  readonly #options: LinkOptions;
  readonly #services: Services;
  readonly #attempts: Attempts;
  readonly #down = new TokenBucket(Number.POSITIVE_INFINITY, performance.now());
  readonly #up = new TokenBucket(Number.POSITIVE_INFINITY, performance.now());
  readonly #transfers = new BlobTransfers(this.#down);
  readonly #executions: Executions;
  readonly #sender: Sender;
  readonly #session: SessionShell;
  readonly #waiters = new Waiters();
  #runtimes: readonly Runtime[] = [];
  #draining = false;
  #tickTimer: NodeJS.Timeout | undefined;
  #tickedAtMs = 0;
  #sampledAtMs = Number.NEGATIVE_INFINITY;

  constructor(options: LinkOptions) {
    this.#options = options;
    const { url, admit, blobs, outbox, log, events } = options;
    this.#services = new Services(admit);
    this.#attempts = new Attempts(this.#services);
    this.#executions = new Executions(this.#attempts, this.#transfers, blobs, log, {
      turn: () => this.#sender.schedule(),
      failed: (error) => events.failed(error),
      started: (attempt) => events.started(attempt),
    });
    this.#session = new SessionShell({
      url,
      events,
      greet: () => this.#greet(),
      heartbeat: () => this.#send({ type: 'heartbeat' }),
      joined: (welcome) => this.#joined(welcome),
      received: (frame) => this.#received(frame),
      offline: () => this.#offline(),
      flush: () => this.#turn(),
      guard: (work) => this.#guard(work),
    });
    this.#sender = new Sender({
      attempts: this.#attempts,
      executions: this.#executions,
      transfers: this.#transfers,
      services: this.#services,
      outbox,
      up: this.#up,
      connection: () => this.#session.connection,
      state: () => this.#session.state,
      sent: (nowMs) => this.#session.sent(nowMs),
      turn: () => this.#guard(() => this.#turn()),
    });
    this.#attempts.restore(outbox.restored.results, outbox.restored.chunks);
    blobs.restore(outbox.restored.results.flatMap((result) => result.blobs ?? []));
    outbox.attach(() => [
      ...encodeChunks([...this.#attempts.chunksOfResults()]),
      ...encodeResults([...this.#attempts.results()]),
    ]);
  }

  get online(): boolean {
    return this.#session.state === 'online';
  }

  get unfinished(): number {
    return this.#attempts.unfinished;
  }

  get unacknowledged(): number {
    return this.#attempts.unacknowledged;
  }

  /** @param resting not to dial before `wake` */
  start(resting = false): void {
    const now = performance.now();
    this.#tickedAtMs = now;
    this.#tickTimer = setInterval(() => this.#guard(() => this.#tick()), LIVENESS_TICK_MS);
    this.#session.start(resting, now);
  }

  /** Ends the session, but not the link: `wake` begins another. */
  rest(): void {
    this.#session.rest();
  }

  /** Dials again. */
  wake(): void {
    this.#session.wake();
  }

  /** Bulk data may take so much, each way. */
  limitBandwidth(bytesPerSecond: number): void {
    const now = performance.now();
    this.#up.setRate(bytesPerSecond, now);
    this.#down.setRate(bytesPerSecond, now);
    this.#work();
  }

  /** A message of the agent's own, if anybody hears it now. */
  tell(message: Extract<Up, { type: 'policy' | 'leave' }>): void {
    if (this.online) this.#send(message);
    else this.#work();
  }

  /** What runs tasks from now on. */
  setRuntimes(runtimes: readonly Runtime[]): void {
    this.#runtimes = runtimes;
    this.servicesChanged();
  }

  servicesChanged(): void {
    this.#sender.servicesChanged();
    this.#services.update(this.#runtimes);
    this.#attempts.servicesChanged(performance.now());
    this.#work();
  }

  /** As the coordinator is told them. */
  get services(): Service[] {
    return this.#services.list();
  }

  /** Has those who wait look again. */
  nudge(): void {
    this.#sender.schedule();
  }

  /** Whether tasks run on it. */
  isBusy(runtime: Runtime): boolean {
    return this.#services.isBusy(runtime);
  }

  /** Takes no new tasks, or takes them again. */
  drain(draining = true): void {
    if (this.#draining === draining) return;
    this.#draining = draining;
    this.#attempts.drain(draining);
    if (this.online) this.#send({ type: 'drain', draining });
  }

  /** Cancels what runs; each attempt still ends on its own. */
  cancelAll(why = 'the worker left before the task was done'): void {
    this.#attempts.cancelAll(why, performance.now());
    this.#work();
  }

  /** Ends the session with 1000; `ended` follows. */
  leave(): void {
    this.#session.leave();
  }

  /** Ends all timers. The outbox stays the caller's. */
  close(): void {
    clearInterval(this.#tickTimer);
    this.#session.close();
    this.#sender.offline();
    this.#waiters.release();
  }

  /** Resolves once a condition of this link is met, or after a time; with whether it was met. */
  until(met: () => boolean, timeoutMs: number): Promise<boolean> {
    return this.#waiters.until(met, timeoutMs);
  }

  #greet(): void {
    const { describe, token, version } = this.#options;
    const { running, finished } = this.#attempts.lists();
    const services = this.#services.list();
    this.#services.announced(services);
    this.#sender.greeted();
    const worker: WorkerHello = {
      ...describe(),
      services,
      running: running.slice(0, MAX_NAMED),
      finished: finished.slice(0, MAX_NAMED),
      ...(this.#draining ? { draining: true } : {}),
    };
    const agent = { name: 'rma-worker', version };
    this.#send({ type: 'hello', protocol: PROTOCOL_VERSION, token: token(), agent, features: [...FEATURES], worker });
  }

  #joined(welcome: DownOf<'welcome'>): void {
    const { worker } = welcome;
    if (worker === undefined) {
      const message = `the token is one of role ${welcome.role}, which cannot lend a machine`;
      this.#session.giveUp();
      this.#options.events.ended({ cause: 'refused', close: 'unauthenticated', message });
      return;
    }
    this.#options.events.joined(worker, welcome);
    const now = performance.now();
    this.#transfers.online(now);
    this.#attempts.online(worker.verdicts, now);
    this.#options.events.assigned(worker.assignment);
    this.#work();
  }

  #offline(): void {
    this.#sender.offline();
    this.#attempts.offline();
    this.#transfers.offline();
    this.#work();
  }

  #received(frame: Uint8Array | string): void {
    const now = performance.now();
    this.#session.heard(now);
    if (typeof frame !== 'string' && isStreamData(frame)) {
      const { stream, bytes } = decodeStreamData(frame);
      this.#transfers.data(stream, bytes, now);
      this.#work();
      return;
    }
    let message: Down;
    try {
      message = checkDown(decodeDown(frame));
    } catch (error) {
      this.#options.log.warn(
        { error: String(error) },
        `ignored a message of the coordinator: ${error instanceof Error ? error.message : error}`,
      );
      return;
    }
    this.#handle(message, frame, now);
  }

  #handle(message: Down, frame: Uint8Array | string, now: number): void {
    switch (message.type) {
      case 'dispatch':
        this.#attempts.dispatch(message.tasks, now);
        break;
      case 'acknowledged':
        this.#attempts.acknowledged(message);
        if (message.results !== undefined && typeof frame !== 'string') this.#options.outbox.acknowledged(frame);
        break;
      case 'stop':
        this.#attempts.stop(message.attempts, now);
        break;
      case 'logs':
        void answerLogs(this.#runtimes, message).then((answer) => {
          if (this.online) this.#send(answer);
        });
        break;
      case 'assign':
        this.#options.events.assigned(message.assignment);
        break;
      case 'blob.ready':
      case 'blob.stored':
      case 'blob.head':
      case 'stream.credit':
      case 'stream.end':
      case 'stream.abort':
        this.#transfers.received(message, now);
        break;
      case 'error':
        this.#complain(message);
        this.#session.received(message, now);
        break;
      default:
        this.#session.received(message, now);
    }
    this.#work();
  }

  #complain({ about, error }: DownOf<'error'>): void {
    if (!this.online) return;
    const text = `the coordinator did not take a message${about === undefined ? '' : ` (${about})`}: ${error.message}`;
    this.#options.log.warn({ kind: error.kind, path: error.path }, text);
  }

  #tick(): void {
    const now = performance.now();
    const lagMs = Math.max(0, now - this.#tickedAtMs - LIVENESS_TICK_MS);
    this.#tickedAtMs = now;
    this.#session.tick(now, lagMs);
    this.#attempts.tick(now);
    this.#transfers.tick(now);
    this.#transfers.pace(now);
    this.#executions.tick(now);
    this.#options.outbox.tick(now);
    this.#sample(now);
    this.#work();
  }

  #sample(now: number): void {
    const { sample, log } = this.#options;
    if (sample === undefined || !this.online || now - this.#sampledAtMs < SAMPLE_EVERY_MS - LIVENESS_TICK_MS / 2)
      return;
    this.#sampledAtMs = now;
    sample().then(
      (load) => {
        if (this.online) this.#send({ type: 'sample', load });
      },
      (error: unknown) => log.debug({ error: String(error) }, 'the load could not be sampled'),
    );
  }

  #send(message: Up): void {
    this.#sender.send(message);
  }

  #work(): void {
    this.#sender.work();
  }

  #turn(): void {
    this.#sender.turn();
    this.#waiters.look();
  }

  /** A defect must not pass unseen, nor leave the agent half alive. */
  #guard(work: () => void): void {
    try {
      work();
    } catch (error) {
      this.#options.events.failed(error);
    }
  }
}
