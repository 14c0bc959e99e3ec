/** A real coordinator in this process, on a directory of its own, for tests of one side of it. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Coordinator, type CoordinatorOptions, startCoordinator } from '@rma/server/coordinator';
import { DEFAULT_SOCKET_SETTINGS } from '@rma/server/socket/connections';
import { pino } from 'pino';

export interface TestCoordinator extends Coordinator {
  readonly data: string;
  /** `ws://…/ws` */
  readonly url: string;
  readonly http: string;
  /** The token in `NAME.token` of the data directory. */
  token(name: 'admin' | 'client' | 'join' | 'local'): string;
  /** Stops it and removes its directory. */
  dispose(): Promise<void>;
}

/** RMA_TEST_TRANSPORT chooses the transport for a whole run. */
const transport = (process.env.RMA_TEST_TRANSPORT ?? 'auto') as CoordinatorOptions['transport'];

export async function startTestCoordinator(options: Partial<CoordinatorOptions> = {}): Promise<TestCoordinator> {
  const data = options.data ?? mkdtempSync(join(tmpdir(), 'rma-coordinator-'));
  const coordinator = await startCoordinator({
    host: '127.0.0.1',
    port: 0,
    data,
    transport,
    synchronous: 'FULL',
    trustProxy: false,
    reserveBytes: 1_048_576,
    eventsKept: 100_000,
    eventsKeptMs: 86_400_000,
    core: { retentionMs: 7 * 86_400_000 },
    socket: DEFAULT_SOCKET_SETTINGS,
    version: '0.0.0-test',
    log: pino({ level: process.env.RMA_TEST_LOG ?? 'silent' }),
    fatal: (error) => {
      throw error;
    },
    ...options,
  });
  return {
    ...coordinator,
    data,
    url: `ws://127.0.0.1:${coordinator.port}/ws`,
    http: `http://127.0.0.1:${coordinator.port}`,
    token: (name) => readFileSync(join(data, `${name}.token`), 'utf8').trim(),
    async dispose() {
      await coordinator.stop();
      rmSync(data, { recursive: true, force: true });
    },
  };
}
