/** Runs the `rma` command: as a user does, the committed bin in a process of its own, or its program in this process. */
import { type ChildProcess, spawn } from 'node:child_process';
import { dirname, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { run } from '@rma/client/cli/program';
import { vi } from 'vitest';

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

/**
 * What the bin runs, without the second that it takes to start a process: for commands that need neither signals nor
 * standard input. One at a time, because it takes over this process's output.
 * @param env in place of RMA_URL, RMA_TOKEN and RMA_DATA, which are unset otherwise
 */
export async function rmaHere(args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<Ended> {
  for (const name of ['RMA_URL', 'RMA_TOKEN', 'RMA_DATA']) vi.stubEnv(name, env[name]);
  const out = captured(process.stdout);
  const err = captured(process.stderr);
  try {
    const status = await run(args);
    return { status, out: out.text(), err: err.text() };
  } finally {
    out.release();
    err.release();
    vi.unstubAllEnvs();
  }
}

/** Holds back what is written to a stream. */
function captured(stream: NodeJS.WriteStream): { text(): string; release(): void } {
  const pieces: Buffer[] = [];
  const spy = vi.spyOn(stream, 'write').mockImplementation((piece) => {
    pieces.push(Buffer.from(piece));
    return true;
  });
  return { text: () => Buffer.concat(pieces).toString(), release: () => spy.mockRestore() };
}

/** For afterEach: what a failed test left. */
export function endAll(): void {
  for (const child of running) child.kill('SIGKILL');
}
