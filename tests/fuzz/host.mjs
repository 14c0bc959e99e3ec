/**
 * A real coordinator in a process of its own, started with --expose-gc, that reports to its parent what it holds: counts, the
 * heap after a forced collection, and every error that it logged. The coordinator itself knows nothing of this.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { startCoordinator } from '@rma/server/coordinator';
import { DEFAULT_SOCKET_SETTINGS } from '@rma/server/socket/connections';
import { pino } from 'pino';

const [data, transport] = process.argv.slice(2);
/** @type {string[]} */
const errors = [];
/** @param {unknown} error */
const fatal = (error) => {
  process.send?.({ fatal: error instanceof Error ? error.stack : String(error) }, () => process.exit(1));
};
process.on('uncaughtException', fatal);
process.on('unhandledRejection', fatal);

const coordinator = await startCoordinator({
  host: '127.0.0.1',
  port: 0,
  data,
  transport,
  synchronous: 'NORMAL',
  trustProxy: false,
  reserveBytes: 1_048_576,
  eventsKept: 10_000,
  eventsKeptMs: 86_400_000,
  core: { retentionMs: 7 * 86_400_000, workerGraceMs: 100 },
  socket: { ...DEFAULT_SOCKET_SETTINGS, messagesPerSecond: 10_000_000, messageBurst: 10_000_000 },
  version: '0.0.0-fuzz',
  log: pino({ level: 'error' }, { write: (/** @type {string} */ line) => void errors.push(line) }),
  fatal,
});

// Whoever started it is gone.
process.on('disconnect', () => process.exit(1));
process.on('message', async (/** @type {'measure' | 'stop'} */ asked) => {
  if (asked === 'stop') {
    await coordinator.stop();
    process.exit(0);
  }
  // What was finalized by one collection is freed by the next.
  for (let i = 0; i < 3; i++) {
    globalThis.gc?.();
    await sleep(20);
  }
  const { heapUsed, arrayBuffers, rss } = process.memoryUsage();
  process.send?.({ counts: coordinator.counts(), heapUsed, arrayBuffers, rss, errors: errors.splice(0) });
});

const token = (/** @type {string} */ name) => readFileSync(join(data, `${name}.token`), 'utf8').trim();
process.send?.({
  port: coordinator.port,
  tokens: { admin: token('admin'), client: token('client'), join: token('join') },
});
