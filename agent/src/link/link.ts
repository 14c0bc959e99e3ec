/**
 * The worker's side of the connection. There and back, a dispatch takes one path:
 *
 *     received() -> Attempts.dispatch() -> Executions.start() -> runtime
 *     runtime -> Executions (done) -> Attempts.ended() -> prepare(): outbox, then takeBatch() -> acknowledged
 *
 * Results are on disk before they leave. All that came up in one tick of the event loop leaves in one write.
 */
import { BlobTransfers } from '@rma/peer/blob-transfers';
import { Connection, type ConnectionHost, type Outbound } from '@rma/peer/connection';
import { encodeChunks, encodeFrame, encodeResults } from '@rma/peer/message-batch';
import type { SessionEnd, SessionLost } from '@rma/peer/session';
import type { Frame } from '@rma/peer/socket';
import { TokenBucket } from '@rma/peer/token-bucket';
import type { Down, DownOf, Welcome } from '@rma/protocol/down';
import { LIVENESS_TICK_MS } from '@rma/protocol/liveness';
import type { Hello, Up } from '@rma/protocol/up';
import { SUBPROTOCOL_MSGPACK } from '@rma/protocol/version';
import type { Service, WorkerHello } from '@rma/protocol/worker';
import type { Attempts } from '../attempts/attempts.js';
import { Executions } from '../attempts/executions.js';
import { finishedResult } from '../attempts/outgoing.js';
import { Services } from '../attempts/services.js';
import type { Runtime } from '../runtime/runtime.js';
import type { LinkOptions } from './link-options.js';
import { answerLogs } from './log-answers.js';

const SAMPLE_EVERY_MS = 5_000;
/** The most attempts that each list of `hello` may have. */
const MAX_LISTED = 10_000;

interface Condition {
  readonly isMet: () => boolean;
  readonly resolve: () => void;
}

export class Link implements ConnectionHost {
  readonly #options: LinkOptions;
  readonly #services: Services;
  readonly #attempts: Attempts;
  readonly #executions: Executions;
  readonly #connection: Connection;
  /** Of bulk data, each way. */
  readonly #rates = { up: unlimited(), down: unlimited() };
  #runtimes: readonly Runtime[] = [];
  #draining = false;
  #haveServicesChanged = false;
  /** Frames that `prepare` made and the connection has not taken yet. */
  #batches: Uint8Array[] = [];
  #conditions: Condition[] = [];
  #sampledAtMs = Number.NEGATIVE_INFINITY;

  constructor(options: LinkOptions) {
    this.#options = options;
    const { url, admit, blobs, outbox, log, events, version } = options;
    const agent = { name: 'rma-worker', version };
    this.#connection = new Connection({ url, role: 'worker', subprotocol: SUBPROTOCOL_MSGPACK, agent, unfit }, this);
    const transfers = new BlobTransfers(this.#rates);
    this.#connection.attachBlobs(transfers);
    this.#services = new Services(admit);
    this.#executions = new Executions(this.#services, {
      transfers,
      blobs,
      log,
      flushSoon: () => this.#connection.flushSoon(),
      failed: (error) => events.failed(error),
      started: (attempt) => events.started(attempt),
    });
    this.#attempts = this.#executions.attempts;
    this.#attempts.restore(outbox.restored.results, outbox.restored.chunks);
    blobs.restore(outbox.restored.results.flatMap((result) => result.blobs ?? []));
    outbox.attach(() => [
      ...encodeChunks([...this.#attempts.chunksOfResults()]),
      ...encodeResults([...this.#attempts.results()]),
    ]);
  }

  get online(): boolean {
    return this.#connection.isOnline;
  }

  get unfinished(): number {
    return this.#attempts.unfinished;
  }

  get unacknowledged(): number {
    return this.#attempts.unacknowledged;
  }

  /** The services as the coordinator knows them. */
  get services(): Service[] {
    return this.#services.list();
  }

  /** @param isSuspended not to dial before `resume` */
  start(isSuspended = false): void {
    this.#connection.start(isSuspended);
  }

  /** Ends the session, but not the link: `resume` begins another. */
  suspend(): void {
    this.#connection.suspend();
  }

  /** Dials again. */
  resume(): void {
    this.#connection.resume();
  }

  /** Ends the session with 1000; `ended` follows. */
  leave(): void {
    this.#connection.leave().then(
      () => this.#options.events.ended({ cause: 'left' }),
      (error: unknown) => this.failed(error),
    );
  }

  /** Ends the session and all timers. The outbox stays the caller's. */
  close(): void {
    this.#connection.close().catch((error: unknown) => this.failed(error));
    for (const { resolve } of this.#conditions.splice(0)) resolve();
  }

  /** Limits bulk data, each way. */
  limitBandwidth(bytesPerSecond: number): void {
    const nowMs = performance.now();
    this.#rates.up.setRate(bytesPerSecond, nowMs);
    this.#rates.down.setRate(bytesPerSecond, nowMs);
    this.#connection.flushSoon();
  }

  /** Sends a message of the agent's own, if there is a session. */
  send(message: Extract<Up, { type: 'policy' | 'leave' }>): void {
    this.#connection.send(message);
  }

  /** The runtimes on which attempts run from now on. */
  setRuntimes(runtimes: readonly Runtime[]): void {
    this.#runtimes = runtimes;
    this.servicesChanged();
  }

  servicesChanged(): void {
    this.#haveServicesChanged = true;
    this.#services.update(this.#runtimes);
    this.#attempts.servicesChanged(performance.now());
    this.#connection.flushSoon();
  }

  /** Whether attempts run on it. */
  isBusy(runtime: Runtime): boolean {
    return this.#services.isBusy(runtime);
  }

  /** Takes no new tasks, or takes them again. */
  drain(draining = true): void {
    if (this.#draining === draining) return;
    this.#draining = draining;
    this.#attempts.drain(draining);
    this.#connection.send({ type: 'drain', draining });
  }

  /** Cancels what runs; each attempt still ends on its own. */
  cancelAll(why = 'the worker left before the task was done'): void {
    this.#attempts.cancelAll(why, performance.now());
    this.#connection.flushSoon();
  }

  /** Resolves once a condition of this link is met, or after a time; with whether it was met. */
  async until(isMet: () => boolean, timeoutMs: number): Promise<boolean> {
    if (isMet() || timeoutMs <= 0) return isMet();
    let timer: NodeJS.Timeout | undefined;
    await new Promise<void>((resolve) => {
      timer = setTimeout(resolve, timeoutMs);
      this.#conditions.push({ isMet, resolve });
    });
    clearTimeout(timer);
    this.#conditions = this.#conditions.filter((condition) => condition.isMet !== isMet);
    return isMet();
  }

  /** Evaluates the conditions of `until` again, at the end of this tick. */
  recheck(): void {
    this.#connection.flushSoon();
  }

  hello(): Pick<Hello, 'token' | 'worker'> {
    const { describe, token } = this.#options;
    const { running, finished } = this.#attempts.lists();
    const services = this.#services.list();
    this.#services.announced(services);
    this.#haveServicesChanged = false;
    const worker: WorkerHello = {
      ...describe(),
      services,
      running: running.slice(0, MAX_LISTED),
      finished: finished.slice(0, MAX_LISTED),
      ...(this.#draining ? { draining: true } : {}),
    };
    return { token: token(), worker };
  }

  begun(welcome: Welcome): void {
    const { worker } = welcome;
    if (worker === undefined) return;
    this.#options.events.joined(worker, welcome);
    this.#attempts.online(worker.verdicts, performance.now());
    this.#options.events.assigned(worker.assignment);
  }

  received(message: Down, frame: Frame, nowMs: number): void {
    switch (message.type) {
      case 'dispatch':
        this.#attempts.dispatch(message.tasks, nowMs);
        break;
      case 'acknowledged':
        this.#attempts.acknowledged(message);
        if (message.results !== undefined && typeof frame !== 'string') this.#options.outbox.acknowledged(frame);
        break;
      case 'stop':
        this.#attempts.stop(message.attempts, nowMs);
        break;
      case 'logs':
        void answerLogs(this.#runtimes, message).then((answer) => this.#connection.send(answer));
        break;
      case 'assign':
        this.#options.events.assigned(message.assignment);
        break;
      case 'error':
        this.#rejected(message);
        break;
    }
  }

  offline(): void {
    this.#batches = [];
    this.#attempts.offline();
    this.#connection.flushSoon();
  }

  lost(lost: SessionLost): void {
    this.#options.events.lost(lost);
  }

  ended(end: SessionEnd): void {
    this.offline();
    // Leaving is reported once the socket is closed.
    if (end.cause !== 'refused') return;
    const { close, error } = end;
    this.#options.events.ended({ cause: 'refused', close, message: error.message });
  }

  failed(error: unknown): void {
    this.#options.events.failed(error);
  }

  tick(nowMs: number): void {
    this.#executions.tick(nowMs);
    this.#options.outbox.tick(nowMs);
    this.#sample(nowMs);
  }

  /** Once per flush, online or not: new results to the outbox, then everything as frames. */
  prepare(nowMs: number): void {
    const { chunks, progress, fresh, held, again } = this.#attempts.takeOutgoing();
    const results = encodeResults(fresh.map(finishedResult));
    if (fresh.length > 0 || held.length > 0) {
      const theirChunks = [...fresh, ...held].flatMap((attempt) => attempt.chunks);
      const heldResults = encodeResults(held.map(finishedResult));
      this.#options.outbox.record([...encodeChunks(theirChunks), ...results, ...heldResults], nowMs);
    }
    for (const { isMet, resolve } of this.#conditions) if (isMet()) resolve();
    if (!this.online) return;
    this.#batches.push(
      ...encodeChunks(chunks),
      ...progress.map((one) => encodeFrame({ type: 'progress', ...one })),
      ...results,
      ...encodeResults(again.map(finishedResult)),
    );
  }

  takeControl(): readonly Outbound[] {
    if (!this.#haveServicesChanged) return [];
    this.#haveServicesChanged = false;
    const services = this.#services.unannounced();
    return services === undefined ? [] : [{ type: 'services', services }];
  }

  takeBatch(): Outbound | undefined {
    return this.#batches.shift();
  }

  #rejected({ about, error }: DownOf<'error'>): void {
    const text = `the coordinator did not take a message${about === undefined ? '' : ` (${about})`}: ${error.message}`;
    this.#options.log.warn({ kind: error.kind, path: error.path }, text);
  }

  #sample(nowMs: number): void {
    const { sample, log } = this.#options;
    // Half a tick early counts, so that ticks that come late do not stretch the interval by a whole one.
    if (sample === undefined || !this.online || nowMs - this.#sampledAtMs < SAMPLE_EVERY_MS - LIVENESS_TICK_MS / 2)
      return;
    this.#sampledAtMs = nowMs;
    sample().then(
      (load) => this.#connection.send({ type: 'sample', load }),
      (error: unknown) => log.debug({ error: String(error) }, 'the load could not be sampled'),
    );
  }
}

function unlimited(): TokenBucket {
  return new TokenBucket(Number.POSITIVE_INFINITY, performance.now());
}

function unfit({ role, worker }: Welcome) {
  if (worker !== undefined) return undefined;
  const message = `the token is one of role ${role}, which cannot lend a machine`;
  return { close: 'unauthenticated', message } as const;
}
