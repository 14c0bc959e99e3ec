/** What the agent tells people of its life in the pool, each thing once: joined, lost, back, services, why it ended. */
import type { SessionLost } from '@rma/peer/session';
import type { Assignment } from '@rma/protocol/worker';
import { HANDLERS_SERVICE } from './embedded/workloads.js';
import { EXIT, type ExitStatus } from './fault.js';
import type { LinkEnd } from './link/link-options.js';
import type { AgentLog } from './log.js';
import type { Runtime } from './runtime/runtime.js';

/** How and why an agent ended. */
export interface AgentEnd {
  readonly exitStatus: ExitStatus;
  /** What happened and what to do, where it was not asked to end. */
  readonly message?: string;
}

/** Who tells: what the texts name. */
export interface Teller {
  readonly url: string;
  readonly worker: { readonly id: string; readonly name: string } | undefined;
  readonly statePath: string | undefined;
  /** Whether the coordinator was last shown the worker's own credential. */
  readonly usedStored: boolean;
}

export class Announcements {
  readonly #log: AgentLog;
  readonly #teller: Teller;
  readonly #serviceStates = new Map<string, string>();
  #lossTold = '';
  #assignmentTold = '';
  #joined = false;

  constructor(log: AgentLog, teller: Teller) {
    this.#log = log;
    this.#teller = teller;
  }

  assigned({ tier, reasons, workloads }: Assignment): void {
    const { worker } = this.#teller;
    const what = tier === null ? 'below tier 3' : `tier ${tier}`;
    const summary = { worker: worker?.id, tier, reasons, workloads: workloads.map(({ workload }) => workload) };
    const told = JSON.stringify(summary);
    if (!this.#joined)
      this.#log.info(summary, `joined as ${worker?.id} "${worker?.name}", ${what} (${reasons.join('; ')})`);
    else if (this.#lossTold !== '') this.#log.info({ worker: worker?.id }, `back on line as ${worker?.id}`);
    else if (told !== this.#assignmentTold) this.#log.info(summary, `now ${what} (${reasons.join('; ')})`);
    this.#assignmentTold = told;
    this.#joined = true;
    this.#lossTold = '';
  }

  services(runtimes: readonly Runtime[]): void {
    for (const { name, state, kinds, slots, reason, models } of runtimes.flatMap((runtime) => runtime.services())) {
      const told = `${state} ${reason ?? ''} ${models?.join() ?? ''}`;
      if (this.#serviceStates.get(name) === told) continue;
      this.#serviceStates.set(name, told);
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

  lost({ wasOnline, why, afterMs, close }: SessionLost): void {
    const { statePath, url } = this.#teller;
    const text =
      close === 'replaced'
        ? `another agent connected with this worker's identity; waiting ${Math.round(afterMs / 1_000)} s. Does a copy of ${statePath} run elsewhere?`
        : `${wasOnline ? 'lost the connection' : `cannot reach ${url}`}: ${why}; trying again for as long as it takes`;
    const fields = { afterMs };
    // Once for each new reason: an agent may well be off line for days.
    if (text === this.#lossTold) this.#log.debug(fields, text);
    else this.#log.warn(fields, text);
    this.#lossTold = text;
  }

  diskFailed(error: unknown): void {
    const why = error instanceof Error ? error.message : String(error);
    this.#log.error(
      { error: why },
      `cannot write an output to ${this.#teller.statePath} (${why}): it is kept in memory only. Make room on that disk.`,
    );
  }

  /** Why the coordinator does not want this agent, and what to do about it. */
  explain(end: Extract<LinkEnd, { cause: 'refused' }>): AgentEnd {
    const { statePath, url, usedStored, worker } = this.#teller;
    const rejoin = `remove ${statePath}/worker.json and start again with a new join token (--token)`;
    if (end.close === 'unsupported_version') {
      return {
        exitStatus: EXIT.version,
        message: `the coordinator at ${url} speaks another version of the protocol (${end.message}). Install the rma-worker that belongs to it.`,
      };
    }
    if (end.close === 'revoked') {
      const who = usedStored ? `this worker (${worker?.id})` : 'the join token';
      return {
        exitStatus: EXIT.refused,
        message: `${who} was revoked at ${url} (${end.message}). Ask the pool's admin; to join anew, ${rejoin}.`,
      };
    }
    const message = usedStored
      ? `the coordinator at ${url} does not accept the stored credential of ${worker?.id} (${end.message}). Was it set up anew? To join again, ${rejoin}.`
      : `the coordinator at ${url} does not accept the token (${end.message}). Ask the pool's admin for a join token: \`rma token create join\`, or join.token in the coordinator's data directory.`;
    return { exitStatus: EXIT.refused, message };
  }
}
