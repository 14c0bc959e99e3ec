/** A coordinator and an agent in separate processes: the coordinator can be killed, and restarted on its port. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Client, connect } from '@rma/client';
import { afterAll, beforeAll } from 'vitest';
import { type CoordinatorProcess, startCoordinatorProcess } from '../../support/coordinator-process.js';
import { freePort } from '../../support/free-port.mjs';
import { eventually } from '../../support/pool.js';
import { Program } from '../../support/program.js';

export class LivePool {
  readonly directory = mkdtempSync(join(tmpdir(), 'rma-live-pool-'));
  #coordinator: CoordinatorProcess | undefined;
  #agent: Program | undefined;
  #client: Client | undefined;

  get coordinator(): CoordinatorProcess {
    if (!this.#coordinator) throw new Error('the pool is not up');
    return this.#coordinator;
  }

  /** An admin client, separate from the page. */
  get client(): Client {
    if (!this.#client) throw new Error('the pool is not up');
    return this.#client;
  }

  get page(): { url: string; token: string } {
    return { url: this.coordinator.http, token: this.coordinator.token('admin') };
  }

  /** @param only the workloads of the agent; with a healthy service of each kind it is up */
  async start(only: readonly string[], kinds: readonly string[]): Promise<void> {
    const args = ['--port', String(await freePort())];
    this.#coordinator = await startCoordinatorProcess(join(this.directory, 'data'), { args });
    const { http } = this.coordinator;
    this.#client = connect({ url: http, token: this.coordinator.token('admin') });
    this.#agent = new Program('agent/bin/rma-worker.js', [
      ...['--url', http, '--token-file', join(this.directory, 'data', 'join.token')],
      ...['--state', join(this.directory, 'worker'), '--name', 'bench', '--only', only.join(',')],
      ...['--engine', 'none', '--no-detect', '--log-level', 'warn'],
    ]);
    await eventually(async () => {
      const [worker] = await this.client.workers();
      const served = worker?.services.filter(({ state }) => state === 'healthy').flatMap((service) => service.kinds);
      if (!kinds.every((kind) => served?.includes(kind))) throw new Error(`the agent serves ${served}`);
    }, 40_000);
  }

  /** SIGKILL. */
  kill(): Promise<unknown> {
    return this.coordinator.kill();
  }

  /** On the same data, at the same port. */
  async startAgain(): Promise<void> {
    const { port, data } = this.coordinator;
    this.#coordinator = await startCoordinatorProcess(data, { args: ['--port', String(port)] });
  }

  async dispose(): Promise<void> {
    await this.#client?.close();
    if (this.#agent?.isRunning) await this.#agent.end('SIGKILL');
    await this.#coordinator?.stop();
    rmSync(this.directory, { recursive: true, force: true });
  }
}

export function useLivePool(only: readonly string[], kinds: readonly string[]): LivePool {
  const pool = new LivePool();
  beforeAll(() => pool.start(only, kinds), 60_000);
  afterAll(() => pool.dispose());
  return pool;
}
