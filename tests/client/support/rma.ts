/** Runs the `rma` command as a user does: the committed bin, in a process of its own. */
import { type ChildProcess, spawn } from 'node:child_process';
import { dirname, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const bin = resolve(dirname(fileURLToPath(import.meta.url)), '../../../client/bin/rma.js');

export interface Ended {
  readonly status: number | null;
  readonly out: string;
  readonly err: string;
}

export interface Running {
  readonly process: ChildProcess;
  readonly ended: Promise<Ended>;
  /** Resolves once standard output or standard error holds this text. */
  says(text: string): Promise<void>;
}

const running = new Set<ChildProcess>();

export function start(
  args: readonly string[],
  options: { env?: NodeJS.ProcessEnv; cwd?: string; stdin?: string } = {},
): Running {
  const { RMA_URL: _u, RMA_TOKEN: _t, RMA_DATA: _d, ...env } = process.env;
  const child = spawn(process.execPath, [bin, ...args], {
    cwd: options.cwd,
    env: { ...env, ...options.env },
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  running.add(child);
  let out = '';
  let err = '';
  let waiting: (() => void)[] = [];
  const told = () => {
    for (const look of waiting) look();
  };
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    out += text;
    told();
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    err += text;
    told();
  });
  child.stdin.end(options.stdin ?? '');
  const ended = new Promise<Ended>((done) => {
    child.on('close', (status) => {
      running.delete(child);
      done({ status, out, err });
    });
  });
  const says = (text: string) =>
    new Promise<void>((found, missed) => {
      const look = () => {
        if (out.includes(text) || err.includes(text)) found();
      };
      waiting = [...waiting, look];
      void ended.then(() => missed(new Error(`rma ended without saying '${text}': ${out}${err}`)));
      look();
    });
  return { process: child, ended, says };
}

export function rma(args: readonly string[], options: Parameters<typeof start>[1] = {}): Promise<Ended> {
  return start(args, options).ended;
}

/** For afterEach: what a failed test left. */
export function endAll(): void {
  for (const child of running) child.kill('SIGKILL');
}
