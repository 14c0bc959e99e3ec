/**
 * Runs NVIDIA's management tool. A run settles within its timeout even if the driver hangs so that the process cannot be
 * killed: the child is then abandoned.
 */

import { type ChildProcess, spawn } from 'node:child_process';
import { errorMessage } from '@rma/protocol/error';

/** How a run ended. `output` has both streams, since nvidia-smi explains failures on standard output. */
export type SmiAnswer =
  | { readonly kind: 'done'; readonly exitCode: number; readonly output: string }
  | { readonly kind: 'absent' }
  | { readonly kind: 'timeout'; readonly afterMs: number };

export type RunSmi = (args: readonly string[]) => Promise<SmiAnswer>;

export interface SmiOptions {
  /** Default 10,000: a driver without persistence mode takes seconds to initialise several cards. */
  readonly timeoutMs?: number;
  /** Tried in turn until one exists. Default: the PATH, and where WSL and older Windows drivers put it. */
  readonly candidates?: readonly string[];
}

const maxOutputBytes = 256 * 1024;
const defaultCandidates: readonly string[] =
  process.platform === 'win32'
    ? ['nvidia-smi', `${process.env.ProgramFiles ?? 'C:\\Program Files'}\\NVIDIA Corporation\\NVSMI\\nvidia-smi.exe`]
    : process.platform === 'linux'
      ? ['nvidia-smi', '/usr/lib/wsl/lib/nvidia-smi']
      : ['nvidia-smi'];

/** A runner of the first candidate that exists. It never rejects. */
export function nvidiaSmi(options: SmiOptions = {}): RunSmi {
  const { timeoutMs = 10_000, candidates = defaultCandidates } = options;
  return async (args) => {
    for (const file of candidates) {
      const answer = await runOnce(file, args, timeoutMs).catch((error: unknown) => notStarted(file, error));
      if (answer.kind !== 'absent') return answer;
    }
    return { kind: 'absent' };
  };
}

function notStarted(file: string, error: unknown): SmiAnswer {
  const why = errorMessage(error);
  return { kind: 'done', exitCode: -1, output: `${file} could not be started: ${why}` };
}

function runOnce(file: string, args: readonly string[], timeoutMs: number): Promise<SmiAnswer> {
  return new Promise((resolve) => {
    const child: ChildProcess = spawn(file, args, { stdio: ['ignore', 'pipe', 'pipe'], windowsHide: true });
    // Registered first: a spawn that fails for lack of file descriptors has no streams and emits this later.
    child.once('error', (error: NodeJS.ErrnoException) => {
      clearTimeout(timer);
      if (error.code === 'ENOENT' || error.code === 'ENOTDIR') resolve({ kind: 'absent' });
      else resolve(notStarted(file, error));
    });
    const timer = setTimeout(() => {
      child.kill('SIGKILL');
      child.stdout?.destroy();
      child.stderr?.destroy();
      child.unref();
      resolve({ kind: 'timeout', afterMs: timeoutMs });
    }, timeoutMs);
    let output = '';
    const take = (text: string) => {
      if (output.length < maxOutputBytes) output += text;
    };
    for (const stream of [child.stdout, child.stderr]) stream?.setEncoding('utf8').on('data', take);
    child.once('close', (code) => {
      clearTimeout(timer);
      resolve({ kind: 'done', exitCode: code ?? -1, output });
    });
  });
}
