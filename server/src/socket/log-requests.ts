/**
 * Questions for the log of a worker's services: passed on to the worker, answered when it answers. Nothing is stored; what
 * is asked for is bounded, and so is how many wait.
 */
import { ProtocolError } from '@rma/protocol/error';
import { LIMITS } from '@rma/protocol/limits';
import type { Query, UpOf } from '@rma/protocol/up';
import type { LogLine } from '@rma/protocol/worker';
import type { State } from '../core/state.js';
import type { Connection } from './connection.js';

const ANSWER_MS = 10_000;
const DEFAULT_LINES = 100;
/** Of one worker, whoever asks. */
const MAX_WAITING = 8;

export type LogQuery = Extract<Query, { what: 'log' }>;

interface Waiting {
  readonly session: number;
  readonly resolve: (lines: readonly LogLine[]) => void;
  readonly reject: (error: ProtocolError) => void;
  readonly timer: NodeJS.Timeout;
}

export interface LogRequestsOptions {
  readonly state: () => State;
  readonly nowMs: () => number;
  connection(session: number): Connection | undefined;
}

export class LogRequests {
  readonly #options: LogRequestsOptions;
  readonly #waiting = new Map<number, Waiting>();
  #nextRef = 1;

  constructor(options: LogRequestsOptions) {
    this.#options = options;
  }

  /** @throws ProtocolError of kind `not_found`, `unavailable` or `rate_limited` */
  ask({ worker: id, service, lines = DEFAULT_LINES, since }: LogQuery): Promise<readonly LogLine[]> {
    const worker = this.#options.state().workers.get(id);
    if (worker?.record.revokedAt !== 0) throw new ProtocolError('not_found', `there is no worker ${id}`);
    if (service !== undefined && worker.session !== 0 && !worker.services.has(service)) {
      const services = [...worker.services.keys()].join(', ') || 'none';
      throw new ProtocolError('not_found', `worker ${id} has no service ${service}; it has: ${services}`);
    }
    const { session } = worker;
    const connection = this.#options.connection(session);
    if (session === 0 || connection?.phase !== 'open') {
      throw new ProtocolError('unavailable', `worker ${id} is not on line: its log is on that machine`);
    }
    let its = 0;
    for (const waiting of this.#waiting.values()) if (waiting.session === session) its++;
    if (its >= MAX_WAITING) {
      throw new ProtocolError('rate_limited', `${MAX_WAITING} questions for the log of worker ${id} wait already`);
    }
    const ref = this.#nextRef;
    this.#nextRef = ref >= 4_294_967_295 ? 1 : ref + 1;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#waiting.delete(ref);
        reject(new ProtocolError('unavailable', `worker ${id} did not tell its log within ${ANSWER_MS / 1_000} s`));
      }, ANSWER_MS);
      this.#waiting.set(ref, { session, resolve, reject, timer });
      const narrowed = { ...(service === undefined ? {} : { service }), ...(since === undefined ? {} : { since }) };
      connection.send(
        { type: 'logs', ref, lines: Math.min(lines, LIMITS.maxLogLines), ...narrowed },
        this.#options.nowMs(),
      );
    });
  }

  answered(session: number, { ref, lines, error }: UpOf<'log.lines'>): void {
    const waiting = this.#waiting.get(ref);
    // Too late, or of somebody who was not asked.
    if (waiting === undefined || waiting.session !== session) return;
    this.#end(ref, waiting);
    if (error === undefined) waiting.resolve(lines);
    else waiting.reject(new ProtocolError('unavailable', error));
  }

  closed(session: number): void {
    for (const [ref, waiting] of this.#waiting) {
      if (waiting.session !== session) continue;
      this.#end(ref, waiting);
      waiting.reject(new ProtocolError('unavailable', 'the worker went off line before it told its log'));
    }
  }

  stop(): void {
    for (const waiting of this.#waiting.values()) clearTimeout(waiting.timer);
    this.#waiting.clear();
  }

  #end(ref: number, { timer }: Waiting): void {
    clearTimeout(timer);
    this.#waiting.delete(ref);
  }
}
