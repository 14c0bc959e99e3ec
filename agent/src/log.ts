/** The agent's log: pino on standard error, as JSON for programs or as short lines for people. */
import { type Logger, pino } from 'pino';

export type AgentLog = Logger;
export type LogFormat = 'auto' | 'pretty' | 'json';

export interface LogOptions {
  readonly level: string;
  /** `auto`: for people where standard error is a terminal. */
  readonly format: LogFormat;
}

/** A log on standard error. Synchronous: a line is written when the call returns, so none is lost when the process ends. */
export function createLog({ level, format }: LogOptions): AgentLog {
  const base = { level, base: { name: 'rma-worker' } };
  const pretty = format === 'pretty' || (format === 'auto' && process.stderr.isTTY === true);
  if (!pretty) return pino(base, pino.destination({ fd: 2, sync: true }));
  return pino(base, { write: (line: string) => process.stderr.write(`${readable(line)}\n`) });
}

/** A log that writes nothing. */
export function silentLog(): AgentLog {
  return pino({ level: 'silent' });
}

function readable(line: string): string {
  const { level, time, msg } = JSON.parse(line) as { level: number; time: number; msg?: string };
  const clock = new Date(time).toTimeString().slice(0, 8);
  const mark = level >= 50 ? 'error: ' : level >= 40 ? 'warning: ' : '';
  return `${clock} ${mark}${msg ?? ''}`;
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
