/** A process that runs PGlite. Arguments: the data directory, and a socket file or a port of 127.0.0.1. Ends with the agent. */
import { PGlite } from '@electric-sql/pglite';
import { PGLiteSocketServer } from '@electric-sql/pglite-socket';

const MAX_CONNECTIONS = 8;

const [dataDir, address] = process.argv.slice(2);
if (!process.send || dataDir === undefined || address === undefined) {
  process.stderr.write('This file is started by rma-worker; it does nothing on its own.\n');
  process.exit(1);
}

const db = await PGlite.create({ dataDir });
const server = new PGLiteSocketServer({
  db,
  maxConnections: MAX_CONNECTIONS,
  ...(/^\d+$/.test(address) ? { host: '127.0.0.1', port: Number(address) } : { path: address }),
});

async function stop(): Promise<void> {
  try {
    await server.stop();
    await db.close();
  } finally {
    process.exit(0);
  }
}
process.on('disconnect', () => void stop());
process.on('SIGTERM', () => void stop());
process.on('SIGINT', () => undefined); // Ctrl-C in the donor's terminal is the agent's to handle.
await server.start();
// The agent may have gone while the database was opened.
if (!process.connected) await stop();
