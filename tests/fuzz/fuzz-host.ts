/** The coordinator under test, as the process that sends it frames sees it. */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

export interface Measure {
  readonly counts: Readonly<Record<string, number>>;
  /** After a forced collection. */
  readonly heapUsed: number;
  readonly arrayBuffers: number;
  readonly rss: number;
  /** Lines of the log at the level error, since the last measure. */
  readonly errors: readonly string[];
}

export class FuzzHost {
  /** Why the process ended before it was asked to. */
  died: string | undefined;
  url = '';
  tokens: Readonly<Record<'admin' | 'client' | 'join', string>> = { admin: '', client: '', join: '' };
  readonly #child: ChildProcess;
  readonly #data: string;

  private constructor(child: ChildProcess, data: string) {
    this.#child = child;
    this.#data = data;
    child.on('message', (message: { fatal?: string }) => {
      if (message.fatal) this.died = message.fatal;
    });
    child.on('exit', (code, signal) => {
      this.died ??= `it exited with ${code ?? signal}`;
    });
  }

  static async start(): Promise<FuzzHost> {
    const data = mkdtempSync(join(tmpdir(), 'rma-fuzz-'));
    const child = fork(
      fileURLToPath(new URL('host.mjs', import.meta.url)),
      [data, process.env.RMA_TEST_TRANSPORT ?? 'auto'],
      { execArgv: ['--expose-gc'], stdio: ['ignore', 'inherit', 'inherit', 'ipc'] },
    );
    const host = new FuzzHost(child, data);
    const { port, tokens } = await host.#nextMessage<{ port: number; tokens: FuzzHost['tokens'] }>();
    host.url = `ws://127.0.0.1:${port}/ws`;
    host.tokens = tokens;
    return host;
  }

  async measure(): Promise<Measure> {
    this.#child.send('measure');
    return this.#nextMessage<Measure>();
  }

  /** Why the process ended, as soon as that is known; undefined when it still runs after `withinMs`. */
  async end(withinMs: number): Promise<string | undefined> {
    if (this.#running()) await Promise.race([once(this.#child, 'exit'), sleep(withinMs)]);
    return this.died;
  }

  #running(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  async stop(): Promise<void> {
    if (this.#running()) {
      const exit = once(this.#child, 'exit');
      this.#child.send('stop');
      const limit = setTimeout(() => this.#child.kill('SIGKILL'), 10_000);
      await exit;
      clearTimeout(limit);
    }
    rmSync(this.#data, { recursive: true, force: true });
  }

  #nextMessage<T>(): Promise<T> {
    return new Promise((resolve, reject) => {
      const settle = (act: () => void) => {
        this.#child.off('message', onMessage);
        this.#child.off('exit', ended);
        act();
      };
      const onMessage = (message: T & { fatal?: string }) =>
        settle(() => (message.fatal ? reject(new Error(`the coordinator broke: ${message.fatal}`)) : resolve(message)));
      const ended = () =>
        settle(() => reject(new Error(`the coordinator is gone: ${this.died ?? 'nobody knows why'}`)));
      this.#child.on('message', onMessage);
      this.#child.on('exit', ended);
    });
  }
}
