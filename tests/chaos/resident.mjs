// @ts-check
/** A process that is there for the whole run: started again at once whenever it was struck. Ending by itself is a fault. */
import { spawn } from 'node:child_process';
import { createWriteStream } from 'node:fs';

/**
 * @typedef {object} Role
 * @property {string} name
 * @property {() => string[]} command a Node script and its arguments
 * @property {string} logFile what it says goes there
 * @property {RegExp} ready a text on its output from which on it heeds SIGTERM
 * @property {NodeJS.ProcessEnv} [env]
 * @property {(fault: string) => void} fault
 * @property {(message: unknown) => void} [message] opens a channel to it
 * @property {(resident: Resident) => void} [started]
 */

const STOP_MS = 12_000;

export class Resident {
  /** @type {import('node:child_process').ChildProcess | undefined} */
  #child;
  /** @type {Promise<{code: number | null, signal: NodeJS.Signals | null}>} */
  #ended = Promise.resolve({ code: 0, signal: null });
  #isExpected = false;
  #isReady = false;
  #isOver = false;
  #text = '';
  /** @type {(() => void)[]} */
  #looks = [];
  #log;
  #role;

  /** @param {Role} role */
  constructor(role) {
    this.#role = role;
    this.#log = createWriteStream(role.logFile, { flags: 'a' });
  }

  /** Resolves when its present life is over. */
  get ended() {
    return this.#ended;
  }

  /** It is to end by itself now. */
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
    for (const stream of [child.stdout, child.stderr]) stream?.on('data', (data) => this.#hear(String(data)));
    if (message) child.on('message', (said) => this.#child === child && message(said));
    this.#ended = new Promise((resolve, reject) => {
      child.once('error', reject);
      child.once('close', (code, signal) => {
        this.#note(`${name} (${child.pid}) ended with ${signal ?? code}`);
        if (!this.#isExpected) this.#role.fault(`${name} ended by itself with ${signal ?? `status ${code}`}`);
        this.#isOver = true;
        this.#look();
        resolve({ code, signal });
      });
    });
    started?.(this);
  }

  /** @param {object} message lost where it is being struck: `started` has to say it again */
  send(message) {
    if (this.#child?.connected) this.#child.send(message, () => undefined);
  }

  /**
   * Resolves to the first group, or all, of what it said in this life.
   * @param {RegExp} pattern
   * @returns {Promise<string>}
   */
  says(pattern) {
    return new Promise((resolve, reject) => {
      const look = () => {
        const found = pattern.exec(this.#text);
        if (found) resolve(found[1] ?? found[0]);
        else if (this.#isOver) reject(new Error(`${this.#role.name} ended and never said ${pattern}`));
        else this.#looks.push(look);
      };
      look();
    });
  }

  /** Ends it and starts it again at once. @param {'SIGKILL' | 'SIGTERM'} signal */
  async strike(signal) {
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
  #hear(text) {
    this.#log.write(text);
    // Only what is waited for matters, and that is said early.
    if (this.#text.length < 100_000) this.#text += text;
    this.#isReady ||= this.#role.ready.test(this.#text);
    this.#look();
  }

  #look() {
    for (const look of this.#looks.splice(0)) look();
  }

  /** @param {string} what */
  #note(what) {
    this.#log.write(`--- ${new Date().toISOString()} ${what}\n`);
  }
}
