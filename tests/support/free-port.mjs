// @ts-check
/** A port for a coordinator that is killed and started again on it. */
import { createServer } from 'node:net';

/**
 * Not one that the system hands out (those of `--port 0`), lest somebody else gets it while the coordinator is down, or a
 * peer that dials meanwhile gets connected to itself.
 * @returns {Promise<number>}
 */
export async function freePort() {
  for (;;) {
    const port = 20_000 + Math.floor(Math.random() * 12_000);
    const server = createServer();
    const isFree = await new Promise((resolve) => {
      server.once('error', () => resolve(false));
      server.listen(port, '127.0.0.1', () => resolve(true));
    });
    if (!isFree) continue;
    await new Promise((resolve) => server.close(resolve));
    return port;
  }
}
