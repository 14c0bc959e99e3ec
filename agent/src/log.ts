/** What the agent logs of its tasks; the log itself is made by `createLog` of @rma/workloads. */
import { type Logger, pino } from 'pino';

export type AgentLog = Logger;

/** A log that tells nothing. */
export function silentLog(): AgentLog {
  return pino({ level: 'silent' });
}

/** Tasks a second that are told one by one; the others are counted. */
const LINES_PER_SECOND = 5;

/** One line per task, but never so many that they cost anything or hide the rest. */
export class TaskLines {
  readonly #log: AgentLog;
  readonly #level: 'info' | 'debug';
  readonly #enabled: boolean;
  #second = 0;
  #told = 0;
  #untold = 0;

  /** @param people whether a person reads along: programs get these lines at level debug */
  constructor(log: AgentLog, people: boolean) {
    this.#log = log;
    this.#level = people ? 'info' : 'debug';
    this.#enabled = log.isLevelEnabled(this.#level);
  }

  started(kind: string, task: string): void {
    if (!this.#enabled) return;
    const second = Math.floor(Date.now() / 1_000);
    if (second !== this.#second) {
      if (this.#untold > 0) this.#log[this.#level]({ tasks: this.#untold }, `… and ${this.#untold} tasks more`);
      this.#second = second;
      this.#told = 0;
      this.#untold = 0;
    }
    if (this.#told >= LINES_PER_SECOND) this.#untold += 1;
    else {
      this.#told += 1;
      this.#log[this.#level]({ kind, task }, `running ${kind} ${task}`);
    }
  }
}
