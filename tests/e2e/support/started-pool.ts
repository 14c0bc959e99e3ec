/** What `npm start -- --port 0 --data DIR` starts, without npm: its script, the coordinator and the worker. */
import { vi } from 'vitest';
import { processesNaming } from '../../support/processes.mjs';
import { Program, type ProgramEnd } from '../../support/program.js';

const START_MS = 45_000;

export interface StartedPool {
  readonly url: string;
  /** Ctrl-C; resolves with the processes that are left, if any. */
  interrupt(): Promise<ProgramEnd & { left: number[] }>;
  /** For what a failed test left. */
  kill(): Promise<void>;
}

/** Resolves once it says that the pool is up, its worker on line. */
export async function startPool(data: string, args: readonly string[] = []): Promise<StartedPool> {
  const { RMA_URL: _u, RMA_TOKEN: _t, RMA_DATA: _d, ...env } = process.env;
  const start = new Program('scripts/start.mjs', ['--port', '0', '--data', data, ...args], { env });
  const left = () => processesNaming(data);
  await start.says(/RMA Pool is up\./, START_MS);
  await start.says(/worker +one, on this machine/, 1_000);
  return {
    url: await start.says(/listening on (\S+)/),
    async interrupt() {
      const end = await start.end('SIGINT');
      return { ...end, left: left() };
    },
    async kill() {
      await start.end('SIGKILL');
      // Each child exits with its parent.
      await vi.waitFor(() => {
        if (left().length > 0) throw new Error(`processes ${left().join(', ')} are left`);
      }, 10_000);
    },
  };
}
