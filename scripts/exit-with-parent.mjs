/**
 * `node exit-with-parent.mjs PROGRAM ARGS...` runs a Node program that does not outlive the process that started it with
 * an IPC channel: when the channel closes, also by a SIGKILL of the parent, the program gets SIGTERM, and SIGKILL after a
 * grace. The program sees its own name and arguments, and the channel does not keep it running.
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
