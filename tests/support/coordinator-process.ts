/** The command `rma-coordinator` as a process of its own, for tests that kill it, trace it or fill its disk. */
import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const START_MS = 20_000;

export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

export interface CoordinatorProcess {
  /** Of the coordinator, or of what runs it (`prefix`). */
  readonly pid: number;
  readonly data: string;
  /** `ws://…/ws` */
  readonly url: string;
  readonly http: string;
  readonly port: number;
  /** Settles once the process has ended, however. */
  readonly exited: Promise<Exit>;
  /** The token in `NAME.token` of the data directory. */
  token(name: 'admin' | 'client' | 'join' | 'local'): string;
  /** What it wrote to stderr so far: its log. */
  log(): string;
  /** SIGKILL: nothing is put in order. */
  kill(): Promise<Exit>;
  /** SIGTERM. */
  stop(): Promise<Exit>;
}

export interface ProcessOptions {
  /** Below the root; default: the command of this tree. */
  readonly script?: string;
  /** More of its command line. */
  readonly args?: readonly string[];
  /** A command line that runs it, such as strace. */
  readonly prefix?: readonly string[];
}

export class StartFailed extends Error {
  constructor(
    readonly exit: Exit,
    readonly stderr: string,
  ) {
    super(`the coordinator ended with ${exit.code ?? exit.signal} before it served: ${stderr}`);
  }
}

/**
 * Resolves once it serves, at a port of the system's choice. Another start gets another port: peers that dial the old
 * one meanwhile may be given it as their own, and even be connected to themselves.
 * @throws StartFailed when it ends instead
 */
export async function startCoordinatorProcess(data: string, options: ProcessOptions = {}): Promise<CoordinatorProcess> {
  const { script = 'server/bin/rma-coordinator.js', args = [], prefix = [] } = options;
  const transport = process.env.RMA_TEST_TRANSPORT ? ['--transport', process.env.RMA_TEST_TRANSPORT] : [];
  const line = [process.execPath, join(ROOT, script), '--data', data, '--port', '0', ...transport, ...args];
  const [command = '', ...rest] = [...prefix, ...line];
  const child = spawn(command, rest, { stdio: ['ignore', 'pipe', 'pipe'] });
  let log = '';
  child.stderr.on('data', (text: Buffer) => {
    log += text;
  });
  const exited = ended(child);
  const address = await new Promise<URL>((resolve, reject) => {
    const timer = setTimeout(() => {
      child.kill('SIGKILL');
      reject(new Error(`the coordinator did not serve within ${START_MS} ms: ${log}`));
    }, START_MS);
    createInterface(child.stdout).on('line', (text) => {
      const found = /^listening on (\S+)$/.exec(text)?.[1];
      if (found === undefined) return;
      clearTimeout(timer);
      resolve(new URL(found));
    });
    exited.then((exit) => {
      clearTimeout(timer);
      reject(new StartFailed(exit, log));
    }, reject);
  });
  const signal = (name: NodeJS.Signals) => {
    child.kill(name);
    return exited;
  };
  return {
    pid: child.pid!,
    data,
    url: `ws://${address.host}/ws`,
    http: `http://${address.host}`,
    port: Number(address.port),
    exited,
    token: (name) => readFileSync(join(data, `${name}.token`), 'utf8').trim(),
    log: () => log,
    kill: () => signal('SIGKILL'),
    stop: () => signal('SIGTERM'),
  };
}

function ended(child: ChildProcess): Promise<Exit> {
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code, signal) => resolve({ code, signal }));
  });
}
