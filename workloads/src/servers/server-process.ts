/** The process of one run of a data server, from its start to its end together with everything below it. */
import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { hasErrorCode } from '@rma/protocol/error';
import { scrubEnvironment } from '../host/environment.js';
import type { Launch } from './data-server.js';

/** The guard kills the server after 6 s; this is for a guard that hangs. */
const STOP_WITHIN_MS = 9_000;
/** How long after its exit its output is still read. */
const DRAIN_MS = 300;
const OUTPUT_KEPT = 4_096;

/** A started server. */
export class ServerProcess {
  readonly #child: ChildProcess;
  /** Resolves with why it ended, when it has. */
  readonly ended: Promise<string>;
  #recentOutput = '';

  constructor(launch: Launch, output: (line: string) => void) {
    const [module, args, cwd] =
      launch.how === 'module'
        ? [launch.module, launch.args, launch.cwd]
        : [new URL('./guard.js', import.meta.url), [JSON.stringify(launch.server)], launch.server.cwd];
    this.#child = fork(fileURLToPath(module), [...args], {
      env: scrubEnvironment(process.env, cwd),
      execArgv: [],
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
      // A group of its own, so that Ctrl-C in a terminal reaches the agent alone and a kill reaches all of it.
      detached: process.platform !== 'win32',
    });
    const read = (data: Buffer): void => {
      const text = String(data);
      this.#recentOutput = (this.#recentOutput + text).slice(-OUTPUT_KEPT);
      for (const line of text.split('\n')) if (line.trim() !== '') output(line.slice(0, 500));
    };
    this.#child.stdout?.on('data', read);
    this.#child.stderr?.on('data', read);
    this.ended = new Promise((resolve) => {
      this.#child.once('error', (error) => resolve(error.message));
      // 'close' comes once its output is read to its end, but never after a `disconnect()` on this side.
      this.#child.once('close', (code, signal) => resolve(this.#explain(code, signal)));
      this.#child.once('exit', (code, signal) => setTimeout(() => resolve(this.#explain(code, signal)), DRAIN_MS));
    });
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  /** Asks it to stop in order, then kills; resolves when nothing of it is left. */
  async stop(): Promise<void> {
    if (this.#child.connected) this.#child.disconnect();
    const timer = setTimeout(() => this.#kill(), STOP_WITHIN_MS);
    await this.ended;
    clearTimeout(timer);
  }

  #kill(): void {
    const { pid } = this.#child;
    if (pid === undefined) return;
    try {
      process.kill(process.platform === 'win32' ? pid : -pid, 'SIGKILL');
    } catch (error) {
      if (!hasErrorCode(error, 'ESRCH')) throw error;
    }
  }

  #explain(code: number | null, signal: NodeJS.Signals | null): string {
    const how = signal === null ? `exit status ${code}` : `killed by ${signal}`;
    const lines = this.#recentOutput.split('\n').filter((line) => line.trim() !== '');
    const reason = lines.findLast((line) => /FATAL|PANIC|error|fatal/i.test(line)) ?? lines.at(-1);
    return reason === undefined ? how : `${how}: ${reason.trim().slice(0, 300)}`;
  }
}
