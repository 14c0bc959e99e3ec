/** PGlite (PostgreSQL as WebAssembly) as a data service, in a process of its own behind a socket that only this user reaches. */
import { existsSync, mkdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { DataServer } from '../servers/data-server.js';
import { freePort } from '../servers/free-port.js';
import { connectPostgres, postgresHandlers } from './client.js';

/** Longer paths are no sockets on Linux (108) and macOS (104). */
const LONGEST_SOCKET_PATH = 100;

function folderOf(dataDir: string): string {
  return join(dataDir, 'pglite');
}

/** Whether this worker's PostgreSQL data is PGlite's. */
export function pgliteExists(dataDir: string): boolean {
  return existsSync(join(folderOf(dataDir), 'cluster'));
}

/** @param why it is not the machine's own PostgreSQL */
export async function preparePglite(dataDir: string, why?: string): Promise<DataServer> {
  const home = folderOf(dataDir);
  mkdirSync(home, { recursive: true, mode: 0o700 });
  const socket = join(home, '.s.PGSQL.5432');
  // PGlite asks for no password: a socket file in a directory of mode 0700 keeps other users out, a port would not.
  const usesSocket = process.platform !== 'win32' && socket.length <= LONGEST_SOCKET_PATH;
  if (usesSocket) rmSync(socket, { force: true });
  else if (process.platform !== 'win32') {
    throw new Error(
      `the path ${socket} is too long for a socket. Give a shorter --state, such as one below ${tmpdir()}`,
    );
  }
  const port = usesSocket ? 5_432 : await freePort();
  const client = connectPostgres({
    host: '127.0.0.1',
    port,
    ...(usesSocket ? { path: socket } : {}),
    user: 'postgres',
    password: '',
    database: 'postgres',
    // It works on one query at a time anyway, and a transaction would stand in another connection's way.
    connections: 1,
  });
  return {
    label: `PGlite${why === undefined ? '' : `, because ${why}`}`,
    launch: {
      how: 'module',
      module: new URL('./pglite-process.js', import.meta.url),
      args: [join(home, 'cluster'), usesSocket ? socket : String(port)],
      cwd: home,
    },
    async ping() {
      await client`SELECT 1`;
    },
    handlers: postgresHandlers(client),
    close: () => client.end({ timeout: 1 }),
  };
}
