// @ts-check
/**
 * One chaos run: a coordinator, workers and a client as processes of their own, killed or stopped at random moments
 * while tasks run, and restarted at once. Resolves to what went wrong, and to some figures.
 */
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { connect } from '@rma/client';
import { freePort } from '../support/free-port.mjs';
import { processesNaming } from '../support/processes.mjs';
import { auditEvents, auditFiles, auditLedger, auditRows, auditRuns } from './audit.mjs';
import { ManagedProcess } from './managed-process.mjs';
import { makeInterruptions, makeJobs } from './plan.mjs';

const here = dirname(fileURLToPath(import.meta.url));
const root = join(here, '..', '..');
/** Short, so that attempts are given up while their worker is still on its way back, and it returns with their results. */
const GRACE = ['--start-grace-ms', '1500', '--worker-grace-ms', '700'];

/**
 * @typedef {import('./plan.mjs').Options & {timeoutMs: number, keep?: boolean}} ChaosOptions
 * @typedef {{submitted: number, settled: number}} Report
 * @typedef {object} Outcome
 * @property {string[]} faults
 * @property {string} directory kept where there are faults, else removed
 * @property {number} tookMs from the first submit to the last end
 * @property {number} longestStallMs without any task ending while some were open
 * @property {import('./audit.mjs').Figures | undefined} figures
 */

class ChaosRun {
  directory = mkdtempSync(join(tmpdir(), 'rma-chaos-'));
  data = join(this.directory, 'data');
  tmp = join(this.directory, 'tmp');
  ledger = join(this.directory, 'ledger.jsonl');
  /** @type {string[]} */
  faults = [];
  /** @type {Report} */
  report = { submitted: 0, settled: 0 };
  /** @type {Record<string, number>} */
  interrupted = {};
  longestStallMs = 0;
  #settledAtMs = performance.now();
  #released = 0;
  #url = '';
  #broken = new AbortController();
  /** @type {Map<string, ManagedProcess>} */
  processes = new Map();

  /** @param {ChaosOptions} options */
  constructor(options) {
    this.options = options;
    this.jobs = makeJobs(options);
    this.interruptions = makeInterruptions(options);
    this.workers = Array.from({ length: options.workers }, (_, i) => `worker-${i + 1}`);
    mkdirSync(this.tmp);
    copyFileSync(join(here, 'handlers.mjs'), join(this.directory, 'handlers.mjs'));
    writeFileSync(join(this.directory, 'jobs.json'), JSON.stringify(this.jobs));
    writeFileSync(
      join(this.directory, 'plan.json'),
      JSON.stringify({ options, interruptions: this.interruptions }, undefined, 2),
    );
  }

  /** A fault that ends the run. */
  #fault = (/** @type {string} */ text) => {
    this.faults.push(text);
    this.#broken.abort();
  };

  /** @param {string} name @param {Partial<import('./managed-process.mjs').Role> & Pick<import('./managed-process.mjs').Role, 'command' | 'ready'>} role */
  #manage(name, role) {
    const logFile = join(this.directory, `${name}.log`);
    // The scratch directories of agents lie in here, too, so that none is overlooked.
    const env = { TMPDIR: this.tmp, TEMP: this.tmp, TMP: this.tmp };
    const managed = new ManagedProcess({ name, logFile, env, fault: this.#fault, ...role });
    this.processes.set(name, managed);
    managed.start();
    return managed;
  }

  async start() {
    const port = String(await freePort());
    const { RMA_TEST_TRANSPORT: transport } = process.env;
    const settings = ['--data', this.data, '--port', port, ...GRACE, ...(transport ? ['--transport', transport] : [])];
    const coordinator = this.#manage('coordinator', {
      command: () => [join(root, 'server/bin/rma-coordinator.js'), ...settings],
      ready: /^listening on /m,
    });
    this.#url = await coordinator.waitForOutput(/^listening on (\S+)$/m);
    for (const name of this.workers) {
      const join_ = ['--url', this.#url, '--token-file', join(this.data, 'join.token')];
      const own = ['--handlers', join(this.directory, 'handlers.mjs'), '--only', 'echo'];
      this.#manage(name, {
        command: () => [join(root, 'agent/bin/rma-worker.js'), ...join_, '--state', this.state(name), ...own],
        ready: /starting; dialling/,
      });
    }
    const args = [this.#url, join(this.data, 'client.token'), join(this.directory, 'jobs.json'), this.ledger];
    this.slots = await this.#offered();
    this.#manage('client', {
      command: () => [join(here, 'submitter.mjs'), ...args],
      ready: /ready/,
      message: (report) => this.#progress(/** @type {Report} */ (report)),
      started: (client) => client.send({ submit: this.#released }),
    });
  }

  /** @param {string} worker its state directory */
  state(worker) {
    return join(this.directory, worker);
  }

  /** Waits until every worker serves both kinds. @returns {Promise<Record<string, number>>} slots of a worker by kind */
  async #offered() {
    const client = this.admin();
    try {
      for (;;) {
        this.#broken.signal.throwIfAborted();
        const services = (await client.workers()).map((worker) =>
          worker.services.filter((one) => one.state === 'healthy'),
        );
        const first = services[0] ?? [];
        if (services.length === this.workers.length && services.every((list) => list.length === 2)) {
          return Object.fromEntries(first.flatMap(({ kinds, slots }) => kinds.map((kind) => [kind, slots])));
        }
        await sleep(100);
      }
    } finally {
      await client.close();
    }
  }

  admin() {
    return connect({ url: this.#url, token: readFileSync(join(this.data, 'admin.token'), 'utf8').trim() });
  }

  /** @param {Report} report */
  #progress(report) {
    const nowMs = performance.now();
    const idle = this.report.settled >= this.report.submitted;
    if (!idle) this.longestStallMs = Math.max(this.longestStallMs, nowMs - this.#settledAtMs);
    if (idle || report.settled !== this.report.settled) this.#settledAtMs = nowMs;
    this.report = report;
  }

  /** Before each interruption a further part of the tasks is submitted. */
  async interrupt() {
    const part = this.jobs.length / (this.interruptions.length + 1);
    for (const [i, { victim, signal, work, waitMs }] of this.interruptions.entries()) {
      this.#release(Math.ceil(part * (i + 1)));
      await this.#settled(Math.min(this.#released, this.report.settled + Math.floor(part * work)));
      await sleep(waitMs, undefined, { signal: this.#broken.signal });
      await this.processes.get(victim)?.interrupt(signal);
      const what = signal === 'SIGKILL' ? victim.replace(/-\d+$/, '') : 'stop';
      this.interrupted[what] = (this.interrupted[what] ?? 0) + 1;
    }
    this.#release(this.jobs.length);
    await this.#settled(this.jobs.length);
  }

  /** @param {number} tasks */
  async #settled(tasks) {
    while (this.report.settled < tasks) await sleep(10, undefined, { signal: this.#broken.signal });
  }

  /** @param {number} tasks */
  #release(tasks) {
    this.#released = tasks;
    this.processes.get('client')?.send({ submit: tasks });
  }

  /** Compares stats and events with the plan, once all tasks have ended. */
  async checkPool() {
    const client = this.admin();
    try {
      const { tasks } = await client.stats();
      if (tasks.queued + tasks.running > 0) this.faults.push(`still open by the stats: ${JSON.stringify(tasks)}`);
      const events = [];
      for await (const event of client.events({ since: 0 })) events.push(event);
      this.faults.push(...auditEvents(this.jobs, events, { workers: this.workers.length, slots: this.slots ?? {} }));
    } finally {
      await client.close();
    }
  }

  /** The client leaves, then all others are stopped in order. */
  async stop() {
    const client = this.processes.get('client');
    client?.expectEnd();
    client?.send({ leave: true });
    await client?.ended;
    await Promise.all(this.workers.map((name) => this.processes.get(name)?.stop()));
    await this.processes.get('coordinator')?.stop();
  }

  async audit() {
    const lines = readFileSync(this.ledger, 'utf8').trim().split('\n');
    // The last line of a client that was killed may be cut short.
    const whole = lines.filter((line) => line.startsWith('{') && line.endsWith('}'));
    this.faults.push(
      ...auditLedger(
        this.jobs,
        whole.map((line) => JSON.parse(line)),
      ),
    );
    const { faults, figures } = await auditRows(this.data, this.jobs);
    const runs = join(this.directory, 'runs');
    const noted = existsSync(runs) ? readFileSync(runs, 'utf8') : '';
    this.faults.push(...faults, ...auditRuns(noted, this.slots?.['chaos.digest'] ?? 0));
    // What lived in a killed agent may take a moment to notice.
    const until = performance.now() + 5_000;
    let left = this.#left();
    while (left.length > 0 && performance.now() < until) {
      await sleep(50);
      left = this.#left();
    }
    this.faults.push(...left);
    return figures;
  }

  #left() {
    const states = this.workers.map((name) => this.state(name));
    const processes = processesNaming(this.directory).map((pid) => `process ${pid} is left`);
    return [...processes, ...auditFiles(this.data, states, this.tmp)];
  }

  async dispose() {
    for (const managed of this.processes.values()) await managed.kill();
    if (this.faults.length === 0 && !this.options.keep) rmSync(this.directory, { recursive: true });
  }

  /** @param {number} timeoutMs */
  limit(timeoutMs) {
    const timer = setTimeout(() => {
      const { submitted, settled } = this.report;
      this.#fault(`not over within ${timeoutMs} ms: ${settled} of ${submitted} submitted tasks had ended`);
    }, timeoutMs);
    return () => clearTimeout(timer);
  }
}

/**
 * @param {ChaosOptions} options
 * @param {(text: string) => void} onProgress gets a line, about once a second
 * @returns {Promise<Outcome>}
 */
export async function runChaos(options, onProgress) {
  const run = new ChaosRun(options);
  const unlimited = run.limit(options.timeoutMs);
  let startedAt = performance.now();
  const progress = setInterval(() => {
    const interrupted = Object.entries(run.interrupted).map(([who, times]) => `${who} ${times}`);
    const { settled } = run.report;
    const seconds = Math.round((performance.now() - startedAt) / 1_000);
    onProgress(
      `${seconds} s: ${settled} of ${options.tasks} tasks ended; interrupted: ${interrupted.join(', ') || 'none yet'}`,
    );
  }, 1_000);
  let tookMs = 0;
  let figures;
  try {
    await run.start();
    startedAt = performance.now();
    await run.interrupt();
    tookMs = performance.now() - startedAt;
    await run.checkPool();
    await run.stop();
    figures = await run.audit();
  } catch (error) {
    // A fault that ended the run says more than where it was at that moment.
    if (run.faults.length === 0) run.faults.push(error instanceof Error ? (error.stack ?? error.message) : `${error}`);
  } finally {
    unlimited();
    clearInterval(progress);
    await run.dispose();
  }
  const { faults, directory, longestStallMs } = run;
  return { faults, directory, tookMs, longestStallMs, figures };
}
