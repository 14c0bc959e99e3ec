/**
 * Progress on standard error: one line when a phase ends, with its time, and while it runs a spinner on a
 * terminal or a line now and then elsewhere. Also runs the child processes that phases consist of.
 */
import { spawn } from 'node:child_process';
import { constants } from 'node:os';

const FRAMES = ['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧', '⠇', '⠏'];
const REMINDER_MS = 20_000;

/** Thrown for whatever the reader of the terminal has to put right; its message is all that is shown. */
export class SetupError extends Error {
  /** What the process exits with. */
  exitCode = 1;
}

/** Ctrl-C or SIGTERM arrived while a child ran. */
export class Interrupted extends SetupError {
  /** @override */
  exitCode = 130;
  constructor() {
    super('Interrupted. The same command picks up where it stopped.');
  }
}

/** @param {number} sinceMs */
export function elapsed(sinceMs) {
  const seconds = (Date.now() - sinceMs) / 1000;
  return seconds < 60 ? `${seconds.toFixed(1)} s` : `${Math.floor(seconds / 60)} min ${Math.round(seconds % 60)} s`;
}

/** @param {string} line */
export function say(line) {
  process.stderr.write(`${line}\n`);
}

/**
 * Shows `label` while `work` runs and says how long it took.
 * @template T
 * @param {string} label
 * @param {() => Promise<T>} work
 * @returns {Promise<T>}
 */
export async function phase(label, work) {
  const start = Date.now();
  const terminal = process.stderr.isTTY === true;
  if (!terminal) say(`- ${label} ...`);
  let frame = 0;
  const timer = setInterval(
    () => {
      if (terminal) process.stderr.write(`\r\x1b[K${FRAMES[frame++ % FRAMES.length]} ${label} (${elapsed(start)})`);
      else say(`- ${label}: still at it (${elapsed(start)})`);
    },
    terminal ? 120 : REMINDER_MS,
  );
  const clear = terminal ? '\r\x1b[K' : '';
  try {
    const result = await work();
    say(`${clear}✓ ${label} (${elapsed(start)})`);
    return result;
  } catch (error) {
    say(`${clear}✗ ${label} (${elapsed(start)})`);
    throw error;
  } finally {
    clearInterval(timer);
  }
}

/**
 * Runs a program to its end. With `show` its output goes straight through, otherwise it is kept and returned.
 * A signal that is meant to end this process goes on to the program, and `Interrupted` is thrown once that has ended.
 * @param {string} command
 * @param {readonly string[]} args
 * @param {{cwd?: string, show?: boolean, env?: NodeJS.ProcessEnv, shell?: boolean}} [options]
 * @returns {Promise<{code: number, output: string}>} code 128 + n where signal n ended it, 127 where it could not start
 */
export function run(command, args, { cwd, show = false, env = process.env, shell = false } = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd, env, shell, stdio: show ? 'inherit' : ['ignore', 'pipe', 'pipe'] });
    let output = '';
    const keep = (/** @type {Buffer} */ chunk) => {
      output += chunk.toString();
    };
    child.stdout?.on('data', keep);
    child.stderr?.on('data', keep);
    let interrupted = false;
    const pass = (/** @type {NodeJS.Signals} */ signal) => {
      interrupted = true;
      child.kill(signal);
    };
    process.on('SIGINT', pass);
    process.on('SIGTERM', pass);
    const settle = (/** @type {number} */ code) => {
      process.off('SIGINT', pass);
      process.off('SIGTERM', pass);
      if (interrupted) reject(new Interrupted());
      else resolve({ code, output });
    };
    child.on('error', (error) => {
      output += `${error.message}\n`;
      settle(127);
    });
    child.on('close', (code, signal) => settle(code ?? 128 + constants.signals[signal ?? 'SIGTERM']));
  });
}

/**
 * Runs a script's main function; a {@link SetupError} ends the process with its message alone.
 * @param {() => Promise<number>} main returns the exit code
 */
export async function runMain(main) {
  try {
    process.exitCode = await main();
  } catch (error) {
    if (!(error instanceof SetupError)) throw error;
    say(`\n${error.message}`);
    process.exitCode = error.exitCode;
  }
}
