// @ts-check
/** A process of a chaos run: restarted at once whenever it was killed or stopped. Ending by itself is a fault. */
import { spawn } from 'node:child_process';
import { createWriteStream } from 'node:fs';

/**
 * @typedef {object} Role
 * @property {string} name
 * @property {() => string[]} command a Node script and its arguments
 * @property {string} logFile gets its output
 * @property {RegExp} ready matches its output once it handles SIGTERM
 * @property {NodeJS.ProcessEnv} [env]
 * @property {(fault: string) => void} fault
 * @property {(message: unknown) => void} [message] opens a channel to it
 * @property {(managed: ManagedProcess) => void} [started]
 */

const STOP_MS = 12_000;

export class ManagedProcess {
  /** @type {import('node:child_process').ChildProcess | undefined} */
  #child;
  /** @type {Promise<{code: number | null, signal: NodeJS.Signals | null}>} */
  #ended = Promise.resolve({ code: 0, signal: null });
  #isExpected = false;
  #isReady = false;
  #isOver = false;
  #text = '';
  /** @type {(() => void)[]} */
  #waiters = [];
  #log;
  #role;

  /** @param {Role} role */
  constructor(role) {
    this.#role = role;
    this.#log = createWriteStream(role.logFile, { flags: 'a' });
  }

  /** Settles when the process that runs now has ended. */
  get ended() {
    return this.#ended;
  }

  /** From now on it may end by itself. */
  expectEnd() {
    this.#isExpected = true;
  }

  start() {
    const { name, command, env, message, started } = this.#role;
    this.#isExpected = false;
    this.#isReady = false;
    this.#isOver = false;
    this.#text = '';
    const child = spawn(process.execPath, command(), {
      stdio: ['ignore', 'pipe', 'pipe', ...(message ? /** @type {const} */ (['ipc']) : [])],
      env: { ...process.env, ...env },
    });
    this.#child = child;
    this.#note(`${name} is process ${child.pid}`);
    for (const stream of [child.stdout, child.stderr]) stream?.on('data', (data) => this.#onOutput(String(data)));
    if (message) child.on('message', (value) => this.#child === child && message(value));
    this.#ended = new Promise((resolve, reject) => {
      child.once('error', reject);
      child.once('close', (code, signal) => {
        this.#note(`${name} (${child.pid}) ended with ${signal ?? code}`);
        if (!this.#isExpected) this.#role.fault(`${name} ended by itself with ${signal ?? `status ${code}`}`);
        this.#isOver = true;
        this.#notify();
        resolve({ code, signal });
      });
    });
    started?.(this);
  }

  /** @param {object} message lost while it restarts: `started` has to send it again */
  send(message) {
    if (this.#child?.connected) this.#child.send(message, () => undefined);
  }

  /**
   * Resolves to the first group of the pattern, or the whole match, in the output since its start.
   * @param {RegExp} pattern
   * @returns {Promise<string>}
   */
  waitForOutput(pattern) {
    return new Promise((resolve, reject) => {
      const check = () => {
        const found = pattern.exec(this.#text);
        if (found) resolve(found[1] ?? found[0]);
        else if (this.#isOver) reject(new Error(`${this.#role.name} ended and never wrote ${pattern}`));
        else this.#waiters.push(check);
      };
      check();
    });
  }

  /** Ends it and restarts it at once. @param {'SIGKILL' | 'SIGTERM'} signal */
  async interrupt(signal) {
    await this.#end(signal);
    this.start();
  }

  /** Asks it to stop; it must do so in order. */
  async stop() {
    await this.#end('SIGTERM');
  }

  /** At the end of a run that failed. */
  async kill() {
    this.#isExpected = true;
    this.#child?.kill('SIGKILL');
    await this.#ended;
    await new Promise((resolve) => this.#log.end(resolve));
  }

  /** @param {'SIGKILL' | 'SIGTERM'} signal */
  async #end(signal) {
    const child = this.#child;
    if (!child) return;
    const { name, fault } = this.#role;
    const wasReady = this.#isReady;
    this.#isExpected = true;
    this.#note(`${signal} to ${name}`);
    child.kill(signal);
    const limit = setTimeout(() => {
      fault(`${name} did not stop within ${STOP_MS} ms of SIGTERM`);
      child.kill('SIGKILL');
    }, STOP_MS);
    const { code, signal: by } = await this.#ended;
    clearTimeout(limit);
    const isOrderly = signal === 'SIGKILL' || code === 0 || (!wasReady && by === 'SIGTERM');
    if (!isOrderly) fault(`${name} was asked to stop and ended with ${by ?? `status ${code}`}`);
  }

  /** @param {string} text */
  #onOutput(text) {
    this.#log.write(text);
    // What is waited for comes early: the rest need not be kept.
    if (this.#text.length < 100_000) this.#text += text;
    this.#isReady ||= this.#role.ready.test(this.#text);
    this.#notify();
  }

  #notify() {
    for (const check of this.#waiters.splice(0)) check();
  }

  /** @param {string} what */
  #note(what) {
    this.#log.write(`--- ${new Date().toISOString()} ${what}\n`);
  }
}
