/**
 * The parent process of a server, so that the server exits with the agent: whatever ends the agent closes the IPC channel,
 * and this process then stops the server. Node cannot do so for a program that does not speak IPC.
 * Argument: a `GuardedServer` as JSON. Ends as the server does.
 */
import { spawn } from 'node:child_process';

/** A server to run. */
export interface GuardedServer {
  readonly command: string;
  readonly args: readonly string[];
  readonly cwd: string;
  readonly env: Readonly<Record<string, string>>;
  /** Another user, where the agent is root. */
  readonly uid?: number;
  readonly gid?: number;
  readonly stopSignal: NodeJS.Signals;
}

/** A server that was asked to stop is killed after this. */
const STOP_WITHIN_MS = 6_000;

const [json] = process.argv.slice(2);
if (!process.send || json === undefined) {
  process.stderr.write('This file is started by rma-worker; it does nothing on its own.\n');
  process.exit(1);
}
const { command, args, cwd, env, uid, gid, stopSignal } = JSON.parse(json) as GuardedServer;
const server = spawn(command, args, {
  cwd,
  env,
  stdio: ['ignore', 'inherit', 'inherit'],
  ...(uid === undefined ? {} : { uid }),
  ...(gid === undefined ? {} : { gid }),
});

const stop = (): void => {
  server.kill(stopSignal);
  setTimeout(() => server.kill('SIGKILL'), STOP_WITHIN_MS).unref();
};
process.on('disconnect', stop);
process.on('SIGTERM', stop);
process.on('SIGINT', () => undefined); // Ctrl-C in the donor's terminal is the agent's to handle.
server.on('error', (error) => {
  process.stderr.write(`${command}: ${error.message}\n`);
  process.exit(1);
});
server.on('exit', (code, signal) => process.exit(signal === null ? (code ?? 1) : 128));
