/** A command of the project as a process of its own, with its output so far. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { vi } from 'vitest';

/** The checkout. */
export const ROOT = fileURLToPath(new URL('../..', import.meta.url));

export interface ProgramOptions {
  readonly env?: NodeJS.ProcessEnv;
}

export interface ProgramEnd {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

export class Program {
  readonly child: ChildProcess;
  readonly ended: Promise<ProgramEnd>;
  stdout = '';
  stderr = '';

  /** @param script below the checkout, such as `agent/bin/rma-worker.js` */
  constructor(script: string, args: readonly string[], { env }: ProgramOptions = {}) {
    this.child = spawn(process.execPath, [`${ROOT}/${script}`, ...args], {
      cwd: ROOT,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, ...env },
    });
    this.ended = once(this.child, 'close').then(([code, signal]) => ({ code, signal }));
    this.child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      this.stdout += text;
    });
    this.child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.stderr += text;
    });
  }

  get output(): string {
    return `${this.stdout}\n${this.stderr}`;
  }

  get isRunning(): boolean {
    return this.child.exitCode === null && this.child.signalCode === null;
  }

  /** Waits until its output matches; resolves to the first group, or the whole match. */
  says(pattern: RegExp, timeoutMs = 30_000): Promise<string> {
    const check = () => {
      const found = pattern.exec(this.output);
      if (!found) throw new Error(`no output matches ${pattern} (status ${this.child.exitCode}):\n${this.output}`);
      return found[1] ?? found[0];
    };
    return vi.waitFor(check, { timeout: timeoutMs, interval: 20 });
  }

  /** Sends it a signal and waits for its end. */
  end(signal: NodeJS.Signals): Promise<ProgramEnd> {
    if (this.isRunning) this.child.kill(signal);
    return this.ended;
  }
}
