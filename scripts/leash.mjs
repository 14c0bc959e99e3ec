/**
 * Runs a program (`node leash.mjs PROGRAM ARGS...`) on the leash of the process that started it with an IPC
 * channel: when that goes, however it goes, the program stops as on SIGTERM, and is gone at the latest after
 * a grace. The program sees its own name and arguments and is not kept alive.
 */
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';

const GRACE_MS = 8_000;

if (process.channel) {
  process.once('disconnect', () => {
    process.kill(process.pid, 'SIGTERM');
    setTimeout(() => process.kill(process.pid, 'SIGKILL'), GRACE_MS).unref();
  });
  process.channel.unref();
}
process.argv.splice(1, 1);
await import(pathToFileURL(resolve(process.argv[1] ?? '')).href);
