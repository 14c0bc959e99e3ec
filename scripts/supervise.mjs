/**
 * Runs a coordinator and one worker beside it: starts the worker once the coordinator serves, restarts it
 * when it dies, and stops worker, then coordinator, so that neither outlives this process.
 */
import { spawn } from 'node:child_process';
import { constants } from 'node:os';
import { fileURLToPath } from 'node:url';
import { eachLine } from './log-lines.mjs';

const LISTENING = /^listening on (https?:\/\/\S+)$/;
const exitWithParent = fileURLToPath(new URL('exit-with-parent.mjs', import.meta.url));

/**
 * @typedef {object} Pool
 * @property {string[]} coordinator a Node script and its arguments
 * @property {((url: string) => string[]) | undefined} worker the same, given the coordinator's address; undefined runs none
 * @property {(url: string) => void} onListening the coordinator serves there
 * @property {(source: Source, line: string) => void} onLine
 * @property {number} [stopGraceMs] time between SIGTERM and SIGKILL
 * @property {number} [firstRestartMs] doubles with every death of a worker that ran less than a minute, up to 30 s
 *
 * @typedef {'coordinator' | 'worker' | 'start'} Source
 * @typedef {import('node:child_process').ChildProcess} Child
 */

const LASTING_MS = 60_000;
const LONGEST_RESTART_MS = 30_000;

/**
 * @param {Pool} pool
 * @returns {{done: Promise<number>, stop: () => void, kill: () => void}} `done` gives the exit code once both are
 *   gone: 0 after `stop` or `kill`, else the coordinator's own
 */
export function supervise(pool) {
  const { stopGraceMs = 8_000, firstRestartMs = 1_000 } = pool;
  /** @type {Child | undefined} */
  let worker;
  /** @type {NodeJS.Timeout | undefined} */
  let restart;
  let restartMs = firstRestartMs;
  let stopping = false;
  /** @type {string | undefined} */
  let url;

  const coordinator = launch(pool.coordinator, (line) => {
    pool.onLine('coordinator', line);
    const address = LISTENING.exec(line)?.[1];
    if (address !== undefined && url === undefined) listening(address);
  });

  /** @param {string} address */
  function listening(address) {
    url = reachable(address);
    pool.onListening(url);
    if (!stopping) startWorker(url);
  }

  /** @param {string} address */
  function startWorker(address) {
    if (pool.worker === undefined) return;
    const startedAt = Date.now();
    const child = launch(pool.worker(address), (line) => pool.onLine('worker', line));
    worker = child;
    child.once('exit', (code, signal) => {
      worker = undefined;
      if (stopping) return;
      if (Date.now() - startedAt > LASTING_MS) restartMs = firstRestartMs;
      const why = signal === null ? `exited with status ${code}` : `was ended by ${signal}`;
      pool.onLine('start', `the worker ${why}; starting it again in ${restartMs / 1000} s`);
      restart = setTimeout(() => startWorker(address), restartMs);
      restartMs = Math.min(restartMs * 2, LONGEST_RESTART_MS);
    });
  }

  /** @param {Child} child @param {Source} name */
  const stopChild = (child, name) =>
    terminate(child, stopGraceMs, () =>
      pool.onLine('start', `the ${name} did not stop within ${stopGraceMs / 1000} s: killing it`),
    );

  async function stopWorker() {
    clearTimeout(restart);
    if (worker !== undefined) await stopChild(worker, 'worker');
  }

  const done = closed(coordinator).then(async ({ code, signal }) => {
    const asked = stopping;
    stopping = true;
    await stopWorker();
    if (asked) return 0;
    return code ?? 128 + constants.signals[signal ?? 'SIGKILL'];
  });

  return {
    done,
    stop() {
      if (stopping) return;
      stopping = true;
      void stopWorker().then(() => stopChild(coordinator, 'coordinator'));
    },
    kill() {
      stopping = true;
      clearTimeout(restart);
      worker?.kill('SIGKILL');
      coordinator.kill('SIGKILL');
    },
  };
}

/**
 * An address that can be dialled on this machine: `0.0.0.0` and `::` are where a server listens, not where it is.
 * @param {string} address
 */
export function reachable(address) {
  return address.replace(/\/\/(0\.0\.0\.0|\[::\])(?=[:/]|$)/, '//127.0.0.1').replace(/\/$/, '');
}

/** @param {string[]} command a Node script and its arguments @param {(line: string) => void} onLine */
function launch(command, onLine) {
  // Its own process group: a terminal's Ctrl-C reaches this process alone, which then stops them in order.
  const child = spawn(process.execPath, [exitWithParent, ...command], {
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    detached: process.platform !== 'win32',
  });
  for (const stream of [child.stdout, child.stderr]) if (stream !== null) eachLine(stream, onLine);
  return child;
}

/**
 * SIGTERM, and SIGKILL after the grace. Resolves when the process is gone.
 * @param {Child} child
 * @param {number} graceMs
 * @param {() => void} onKill called before SIGKILL
 */
async function terminate(child, graceMs, onKill) {
  const gone = ended(child);
  child.kill('SIGTERM');
  const timer = setTimeout(() => {
    onKill();
    child.kill('SIGKILL');
  }, graceMs);
  await gone;
  clearTimeout(timer);
}

/** @param {Child} child @returns {Promise<void>} */
function ended(child) {
  if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve();
  return new Promise((resolve) => child.once('exit', () => resolve()));
}

/**
 * Waits for the end of the process and of its output, so that its last lines are printed.
 * @param {Child} child
 * @returns {Promise<{code: number | null, signal: NodeJS.Signals | null}>}
 */
function closed(child) {
  return new Promise((resolve, reject) => {
    child.once('close', (code, signal) => resolve({ code, signal }));
    child.once('error', reject);
  });
}
