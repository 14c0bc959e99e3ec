/** What the agent logs of its tasks; the log itself is made by `createLog` of @rma/workloads. */
import { type Logger, pino } from 'pino';

export type AgentLog = Logger;

/** A log that writes nothing. */
export function silentLog(): AgentLog {
  return pino({ level: 'silent' });
}

/** Tasks per second that get a line of their own; the others are counted. */
const LINES_PER_SECOND = 5;

/** Logs each task that starts, rate-limited so that tasks neither cost time nor hide other lines. */
export class TaskLog {
  readonly #log: AgentLog;
  readonly #level: 'info' | 'debug';
  readonly #enabled: boolean;
  #second = 0;
  #logged = 0;
  #skipped = 0;

  /** @param interactive whether a person watches: level info, else debug */
  constructor(log: AgentLog, interactive: boolean) {
    this.#log = log;
    this.#level = interactive ? 'info' : 'debug';
    this.#enabled = log.isLevelEnabled(this.#level);
  }

  started(kind: string, task: string): void {
    if (!this.#enabled) return;
    const second = Math.floor(Date.now() / 1_000);
    if (second !== this.#second) {
      if (this.#skipped > 0) this.#log[this.#level]({ tasks: this.#skipped }, `… and ${this.#skipped} tasks more`);
      this.#second = second;
      this.#logged = 0;
      this.#skipped = 0;
    }
    if (this.#logged >= LINES_PER_SECOND) this.#skipped += 1;
    else {
      this.#logged += 1;
      this.#log[this.#level]({ kind, task }, `running ${kind} ${task}`);
    }
  }
}
