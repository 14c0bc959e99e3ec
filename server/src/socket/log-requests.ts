/**
 * Requests for the log of a worker's services: forwarded to the worker, answered by its reply. Nothing is stored; the
 * lines of a request and the requests pending per worker are bounded.
 */
import { defined } from '@rma/protocol/defined';
import { ProtocolError } from '@rma/protocol/error';
import { LIMITS } from '@rma/protocol/limits';
import type { QueryOf } from '@rma/protocol/query';
import type { UpOf } from '@rma/protocol/up';
import type { LogLine } from '@rma/protocol/worker';
import type { State } from '../core/state.js';
import type { Connection } from './connection.js';

const ANSWER_MS = 10_000;
const DEFAULT_LINES = 100;
/** Pending requests per worker. */
const MAX_PENDING = 8;

interface Pending {
  readonly session: number;
  readonly resolve: (lines: LogLine[]) => void;
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
  readonly #pending = new Map<number, Pending>();
  #nextRef = 1;

  constructor(options: LogRequestsOptions) {
    this.#options = options;
  }

  /** @throws ProtocolError of kind `not_found`, `unavailable` or `rate_limited` */
  request({ worker: id, service, lines = DEFAULT_LINES, since }: QueryOf<'log'>): Promise<LogLine[]> {
    const worker = this.#options.state().workers.get(id);
    if (worker?.record.revokedAt !== 0) throw new ProtocolError('not_found', `there is no worker ${id}`);
    if (service !== undefined && worker.session !== 0 && !worker.services.has(service)) {
      const services = [...worker.services.keys()].join(', ') || 'none';
      throw new ProtocolError('not_found', `worker ${id} has no service ${service}; it has: ${services}`);
    }
    const { session } = worker;
    const connection = this.#options.connection(session);
    if (session === 0 || connection?.phase !== 'open') {
      throw new ProtocolError('unavailable', `worker ${id} is offline: its log is on that machine`);
    }
    let its = 0;
    for (const pending of this.#pending.values()) if (pending.session === session) its++;
    if (its >= MAX_PENDING) {
      throw new ProtocolError(
        'rate_limited',
        `${MAX_PENDING} requests for the log of worker ${id} are pending already`,
      );
    }
    const ref = this.#nextRef;
    this.#nextRef = ref >= 4_294_967_295 ? 1 : ref + 1;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#pending.delete(ref);
        reject(new ProtocolError('unavailable', `worker ${id} did not send its log within ${ANSWER_MS / 1_000} s`));
      }, ANSWER_MS);
      this.#pending.set(ref, { session, resolve, reject, timer });
      const filter = defined({ service, since });
      connection.send(
        { type: 'logs', ref, lines: Math.min(lines, LIMITS.maxLogLines), ...filter },
        this.#options.nowMs(),
      );
    });
  }

  answered(session: number, { ref, lines, error }: UpOf<'log.lines'>): void {
    const pending = this.#pending.get(ref);
    // Too late, or from a worker that was not asked.
    if (pending === undefined || pending.session !== session) return;
    this.#end(ref, pending);
    if (error === undefined) pending.resolve(lines);
    else pending.reject(new ProtocolError('unavailable', error));
  }

  closed(session: number): void {
    for (const [ref, pending] of this.#pending) {
      if (pending.session !== session) continue;
      this.#end(ref, pending);
      pending.reject(new ProtocolError('unavailable', 'the worker went offline before it sent its log'));
    }
  }

  stop(): void {
    for (const pending of this.#pending.values()) clearTimeout(pending.timer);
    this.#pending.clear();
  }

  #end(ref: number, { timer }: Pending): void {
    clearTimeout(timer);
    this.#pending.delete(ref);
  }
}
