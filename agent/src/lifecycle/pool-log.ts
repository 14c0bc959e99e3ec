/**
 * Logs what happens to the agent in its pool: joined, connection lost, online again, services, refusal. Each state is logged
 * when it is entered, repetitions at level debug: an agent may be offline for days.
 */
import type { SessionLost } from '@rma/peer/session';
import { errorMessage } from '@rma/protocol/error';
import type { Assignment } from '@rma/protocol/worker';
import { HANDLERS_SERVICE } from '@rma/workloads/manifests';
import type { Runtime } from '@rma/workloads/runtime';
import { EXIT, type ExitStatus } from '../fault.js';
import type { LinkEnd } from '../link/link-options.js';
import type { AgentLog } from '../log.js';

/** How and why an agent ended. */
export interface AgentEnd {
  readonly exitStatus: ExitStatus;
  /** What happened and what to do; absent where it was asked to end. */
  readonly message?: string;
}

/** What the messages name, as it is when they are written. */
export interface PoolLogContext {
  readonly url: string;
  readonly worker: { readonly id: string; readonly name: string } | undefined;
  readonly statePath: string | undefined;
  /** Whether the worker's own credential, rather than a join token, was presented last. */
  readonly usedStored: boolean;
}

export class PoolLog {
  readonly #log: AgentLog;
  readonly #context: PoolLogContext;
  /** What was logged last, as text to compare with. */
  readonly #loggedServices = new Map<string, string>();
  #loggedLoss = '';
  #loggedAssignment = '';
  #joined = false;

  constructor(log: AgentLog, context: PoolLogContext) {
    this.#log = log;
    this.#context = context;
  }

  assigned({ tier, reasons, workloads }: Assignment): void {
    const { worker } = this.#context;
    const what = tier === null ? 'below tier 3' : `tier ${tier}`;
    const summary = { worker: worker?.id, tier, reasons, workloads: workloads.map(({ workload }) => workload) };
    const text = JSON.stringify(summary);
    if (!this.#joined)
      this.#log.info(summary, `joined as ${worker?.id} "${worker?.name}", ${what} (${reasons.join('; ')})`);
    else if (this.#loggedLoss !== '') this.#log.info({ worker: worker?.id }, `online again as ${worker?.id}`);
    else if (text !== this.#loggedAssignment) this.#log.info(summary, `now ${what} (${reasons.join('; ')})`);
    this.#loggedAssignment = text;
    this.#joined = true;
    this.#loggedLoss = '';
  }

  services(runtimes: readonly Runtime[]): void {
    for (const { name, state, kinds, slots, reason, models } of runtimes.flatMap((runtime) => runtime.services())) {
      const text = `${state} ${reason ?? ''} ${models?.join() ?? ''}`;
      if (this.#loggedServices.get(name) === text) continue;
      this.#loggedServices.set(name, text);
      if (state === 'healthy')
        this.#log.info(
          { service: name, kinds, slots, models },
          `${name} is ready${kinds.length === 0 ? '' : `: ${kinds.join(', ')}, ${slots} at once`}${models === undefined ? '' : `, with ${models.join(', ')}`}`,
        );
      else if (state === 'unhealthy') {
        const what = name === HANDLERS_SERVICE ? 'your own handlers cannot be used' : `${name} does not work`;
        this.#log.error({ service: name, reason }, `${what}: ${reason ?? 'no reason given'}`);
      }
    }
  }

  connectionLost({ wasOnline, why, afterMs, close }: SessionLost): void {
    const { statePath, url } = this.#context;
    const text =
      close === 'replaced'
        ? `another agent connected with this worker's identity; waiting ${Math.round(afterMs / 1_000)} s. Does a copy of ${statePath} run elsewhere?`
        : `${wasOnline ? 'lost the connection' : `cannot reach ${url}`}: ${why}; dialling again until it is reached`;
    const fields = { afterMs };
    if (text === this.#loggedLoss) this.#log.debug(fields, text);
    else this.#log.warn(fields, text);
    this.#loggedLoss = text;
  }

  diskFailed(error: unknown): void {
    const why = errorMessage(error);
    this.#log.error(
      { error: why },
      `cannot write an output to ${this.#context.statePath} (${why}): it is kept in memory only. Free some space on that disk.`,
    );
  }

  /** Why the coordinator refused this agent, and what to do about it. */
  explainRefusal(end: Extract<LinkEnd, { cause: 'refused' }>): AgentEnd {
    const { statePath, url, usedStored, worker } = this.#context;
    const rejoin = `remove ${statePath}/worker.json and start again with a new join token (--token)`;
    if (end.close === 'unsupported_version') {
      return {
        exitStatus: EXIT.version,
        message: `the coordinator at ${url} speaks another version of the protocol (${end.message}). Install the rma-worker that belongs to it.`,
      };
    }
    if (end.close === 'revoked') {
      const revoked = usedStored ? `this worker (${worker?.id})` : 'the join token';
      return {
        exitStatus: EXIT.refused,
        message: `${revoked} was revoked at ${url} (${end.message}). Ask the pool's admin; to join anew, ${rejoin}.`,
      };
    }
    const message = usedStored
      ? `the coordinator at ${url} does not accept the stored credential of ${worker?.id} (${end.message}). Was it set up anew? To join again, ${rejoin}.`
      : `the coordinator at ${url} does not accept the token (${end.message}). Ask the pool's admin for a join token: \`rma token create join\`, or join.token in the coordinator's data directory.`;
    return { exitStatus: EXIT.refused, message };
  }
}
