/**
 * The machine's own Redis as a data service: on a port of 127.0.0.1 that is chosen at each start, with a password, an
 * append-only file that is synced before a write is answered, and without commands that reach beyond the data (`@admin`,
 * `@dangerous`).
 */
import { createHash } from 'node:crypto';
import { chownSync } from 'node:fs';
import { join } from 'node:path';
import { asList, asMap, describe, invalid } from '../input.js';
import { type HandlersOf, type TaskContext, TaskError } from '../runtime.js';
import type { DataServer, PrepareServer } from '../servers/data-server.js';
import { freePort } from '../servers/free-port.js';
import { findRedis } from '../servers/programs.js';
import { makeServerDirectory } from '../servers/run-as.js';
import { secretIn, writeSecretFile } from '../servers/secret-file.js';
import { endStaleProcess } from '../servers/stale-process.js';
import { MAX_ARGUMENTS, MAX_DATA_MIB, MAX_REPLY_BYTES, type redis as manifest } from './manifest.js';
import { type RedisAccess, RedisError, type Reply, sendCommand } from './resp.js';

/** Before version 6 Redis cannot forbid single commands to a user. */
const OLDEST = 6;
/** Commands that change the connection, or turn it into a stream of replies that never ends. */
const CONNECTION_COMMANDS = new Set([
  'subscribe',
  'psubscribe',
  'ssubscribe',
  'monitor',
  'sync',
  'psync',
  'auth',
  'hello',
  'quit',
]);

export function prepareRedis(dataDir: string): PrepareServer {
  return async () => {
    const found = findRedis();
    if (found === undefined)
      throw new Error('this machine has no redis-server. Install it (apt-get install redis-server)');
    if (Number.parseInt(found.version, 10) < OLDEST) {
      throw new Error(`redis-server ${found.version} is too old; version ${OLDEST} or later is needed`);
    }
    const home = join(dataDir, 'redis');
    const runAs = makeServerDirectory(home, ['redis', 'nobody']);
    const pidFile = join(home, 'redis.pid');
    await endStaleProcess(pidFile, 'redis-server', 'SIGTERM');
    const access: RedisAccess = { host: '127.0.0.1', port: await freePort(), password: secretIn(`${home}.password`) };
    writeSecretFile(`${home}.json`, `${JSON.stringify(access)}\n`);
    const config = join(home, 'redis.conf');
    writeSecretFile(config, configurationOf(access, home, pidFile));
    if (runAs.uid !== undefined && runAs.gid !== undefined) chownSync(config, runAs.uid, runAs.gid);
    const server: DataServer = {
      label: `Redis ${found.version}`,
      launch: {
        how: 'guarded',
        server: { command: found.file, args: [config], cwd: home, env: { LANG: 'C' }, stopSignal: 'SIGTERM', ...runAs },
      },
      async ping() {
        await sendCommand(access, ['PING'], { signal: AbortSignal.timeout(4_000), maxBytes: 1_024 });
      },
      handlers: redisHandlers(access),
      close: async () => undefined,
    };
    return server;
  };
}

/** `appendfsync always`: a write is on disk before it is answered, so no acknowledged task is lost. */
function configurationOf({ host, port, password }: RedisAccess, home: string, pidFile: string): string {
  const hash = createHash('sha256').update(password).digest('hex');
  return `bind ${host}
port ${port}
protected-mode yes
daemonize no
dir "${home}"
pidfile "${pidFile}"
appendonly yes
appendfsync always
save ""
maxmemory ${MAX_DATA_MIB}mb
maxmemory-policy noeviction
user default on #${hash} ~* &* +@all -@admin -@dangerous +keys +info +flushdb +sort +sort_ro
`;
}

function redisHandlers(access: RedisAccess): HandlersOf<typeof manifest> {
  const command = async (input: unknown, context: TaskContext): Promise<{ readonly reply: unknown }> => {
    const map = asMap(input, '{ args }');
    const args = asList(map.args, 'input.args', MAX_ARGUMENTS).map((arg, index) => {
      if (typeof arg === 'string' || arg instanceof Uint8Array) return arg;
      if (typeof arg === 'number' && Number.isFinite(arg)) return String(arg);
      throw invalid(`input.args[${index}]`, `expected text, a number or bytes, got ${describe(arg)}`);
    });
    const [name] = args;
    if (typeof name === 'string' && CONNECTION_COMMANDS.has(name.toLowerCase())) {
      throw invalid('input.args[0]', `expected a command with one reply; ${name.toUpperCase()} is not for tasks`);
    }
    try {
      const options = { signal: context.signal, maxBytes: MAX_REPLY_BYTES };
      return { reply: plain(await sendCommand(access, args, options)) };
    } catch (error) {
      if (!(error instanceof RedisError)) throw error;
      throw new TaskError(
        'redis.error',
        `Redis refused the command: ${error.message}`,
        /^(LOADING|BUSY)/.test(error.message),
      );
    }
  };
  return { 'redis.command': command };
}

/** An error inside a list, as in EXEC's reply, becomes a map. */
function plain(reply: Reply): unknown {
  if (reply instanceof RedisError) return { error: reply.message };
  return Array.isArray(reply) ? reply.map(plain) : reply;
}
