/** Logs of the agent and the task server: pino on standard error, JSON for programs, short lines for people. */
import { type Logger, pino } from 'pino';

export type LogFormat = 'auto' | 'pretty' | 'json';

export interface LogOptions {
  readonly level: string;
  /** `auto`: for people where standard error is a terminal. */
  readonly format: LogFormat;
}

/** A log on standard error. Every line is out when the call returns. */
export function createLog({ level, format }: LogOptions): Logger {
  const base = { level, base: { name: 'rma-worker' } };
  const pretty = format === 'pretty' || (format === 'auto' && process.stderr.isTTY === true);
  if (!pretty) return pino(base, pino.destination({ fd: 2, sync: true }));
  return pino(base, { write: (line: string) => process.stderr.write(`${readable(line)}\n`) });
}

function readable(line: string): string {
  const { level, time, msg } = JSON.parse(line) as { level: number; time: number; msg?: string };
  const clock = new Date(time).toTimeString().slice(0, 8);
  const mark = level >= 50 ? 'error: ' : level >= 40 ? 'warning: ' : '';
  return `${clock} ${mark}${msg ?? ''}`;
}
