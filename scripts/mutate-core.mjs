/**
 * `node scripts/mutate-core.mjs [OPTIONS]`: what of the core's behaviour the tests of the core and the simulator hold. Changes
 * one place of server/src/core at a time, and runs the tests in a thread of this process until the first that fails. The same
 * seed on the same tree makes the same mutants; survivors are listed. Nothing on disk changes, and only `protocol` is built.
 */
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { Worker } from 'node:worker_threads';
import { filesBelow, linesOf, mutationsOf, pick } from './mutations.mjs';

const HELP = `Usage: node scripts/mutate-core.mjs [options]

  --count N     mutants (default 500)
  --seed N      the same seed makes the same mutants of the same tree (default 1)
  --only TEXT   only in files whose path holds this
  --threads N   threads (default 1)
  --out FILE    write the outcomes there as JSON`;

const SOURCES = 'server/src/core';
/** Besides them, mutants run a shorter form of the simulator, and fewer random sequences of the core's own. */
const TESTS = ['tests/core', 'tests/simulator'];
const RUNS = '25';
const STEPS = '4000';
/** A mutant that takes so many times the processor time of all tests unchanged never ends: it is killed. */
const PATIENCE = 3;
const POLL_MS = 250;
/** Mutants that no test can tell from the original, each with the reason. */
const EQUIVALENTS = 'scripts/mutate-core.equivalents.json';

/**
 * @typedef {import('./mutations.mjs').Mutation} Mutation
 * @typedef {{file: string, line: number, kind: string, before: string, after: string, killed: boolean, by: string, ms: number}} Outcome
 * @typedef {{file: string, before: string, after: string, why: string}} Equivalent
 */

const root = fileURLToPath(new URL('..', import.meta.url));

/** Processor time of this process with its threads: other programs don't count. */
function cpuMs() {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1_000;
}

/** One thread, which is replaced when a mutant never ends. */
class TestThread {
  #worker = this.#start();
  /** Of processor time. */
  #limitMs = 600_000;

  #start() {
    const tests = TESTS.flatMap((folder) => filesBelow(root, folder, '.test.ts'));
    const env = { ...process.env, RMA_TEST_RUNS: RUNS, RMA_SIMULATE_STEPS: STEPS };
    return new Worker(new URL('./mutate-core-thread.mjs', import.meta.url), { workerData: { root, tests }, env });
  }

  /** Runs everything unchanged. @returns {Promise<{failed: string[], tests: number, ms: number}>} */
  async clean() {
    const startedMs = cpuMs();
    const answer = await this.#ask('clean');
    if (!answer) throw new Error('the tests do not end');
    this.#limitMs = PATIENCE * (cpuMs() - startedMs);
    return answer;
  }

  /** @param {Mutation} mutation @returns {Promise<{killed: boolean, by: string, ms: number}>} */
  async try(mutation) {
    const startedMs = cpuMs();
    let by = 'it did not end';
    try {
      const answer = await this.#ask(mutation);
      if (answer) return answer;
    } catch (error) {
      // What a mutant throws outside of a test ends the thread.
      by = `it ended the thread: ${error instanceof Error ? error.message : error}`;
    }
    await this.#worker.terminate();
    this.#worker = this.#start();
    await this.clean();
    return { killed: true, by, ms: cpuMs() - startedMs };
  }

  /** @param {Mutation | 'clean'} message @returns {Promise<any>} undefined where no answer comes in time */
  async #ask(message) {
    const worker = this.#worker;
    const abort = new AbortController();
    const startedMs = cpuMs();
    const timer = setInterval(() => {
      if (cpuMs() - startedMs > this.#limitMs) abort.abort();
    }, POLL_MS);
    try {
      worker.postMessage(message);
      const [answer] = await once(worker, 'message', { signal: abort.signal });
      return answer;
    } catch (error) {
      if (!abort.signal.aborted) throw error;
      return undefined;
    } finally {
      clearInterval(timer);
    }
  }

  stop() {
    return this.#worker.terminate();
  }
}

/** @param {Record<'count' | 'seed' | 'threads', string> & {only?: string, out?: string}} options */
async function main({ count, seed, threads, only = '', out }) {
  const sources = new Map(
    filesBelow(root, SOURCES, '.ts').map((file) => [file, readFileSync(join(root, file), 'utf8')]),
  );
  const all = [...sources].flatMap(([file, source]) => (file.includes(only) ? mutationsOf(file, source) : []));
  const mutations = pick(all, Number(count), Number(seed));
  /** @type {Equivalent[]} */
  const equivalents = JSON.parse(readFileSync(join(root, EQUIVALENTS), 'utf8'));
  /** @type {Outcome[]} */
  const outcomes = [];
  const pending = mutations.values();
  const work = async () => {
    const thread = new TestThread();
    const { failed, tests, ms } = await thread.clean();
    if (failed.length > 0) throw new Error(`these tests fail without any mutation: ${failed.join('; ')}`);
    process.stdout.write(`${tests} tests take ${Math.round(ms)} ms unchanged\n`);
    for (const mutation of pending) {
      const { file, line, kind } = mutation;
      const lines = linesOf(sources.get(file) ?? '', mutation);
      if (equivalents.some((one) => one.file === file && one.before === lines.before && one.after === lines.after))
        continue;
      const outcome = { file, line, kind, ...lines, ...(await thread.try(mutation)) };
      outcomes.push(outcome);
      if (out !== undefined) writeFileSync(out, `${JSON.stringify({ seed: Number(seed), outcomes }, undefined, 1)}\n`);
      const mark = outcome.killed ? 'killed  ' : 'SURVIVED';
      process.stdout.write(`${mark} ${file}:${line} ${kind}: ${outcome.before.slice(0, 90)}\n`);
    }
    await thread.stop();
  };
  await Promise.all(Array.from({ length: Number(threads) }, work));
  process.stdout.write(summaryOf(outcomes, all.length));
}

/** @param {readonly Outcome[]} outcomes @param {number} all */
function summaryOf(outcomes, all) {
  const survivors = outcomes
    .filter(({ killed }) => !killed)
    .sort((a, b) => (a.file < b.file ? -1 : a.file > b.file ? 1 : a.line - b.line));
  const lines = survivors.map(
    ({ file, line, kind, before, after }) => `  ${file}:${line} ${kind}\n    - ${before}\n    + ${after}\n`,
  );
  const killed = outcomes.length - survivors.length;
  const share = ((100 * killed) / Math.max(1, outcomes.length)).toFixed(1);
  return `\nSurvivors:\n${lines.join('')}${killed} of ${outcomes.length} killed (${share} %), of ${all} possible mutants\n`;
}

const { values } = parseArgs({
  options: {
    count: { type: 'string', default: '500' },
    seed: { type: 'string', default: '1' },
    threads: { type: 'string', default: '1' },
    only: { type: 'string' },
    out: { type: 'string' },
    help: { type: 'boolean', short: 'h', default: false },
  },
});
if (values.help) process.stdout.write(`${HELP}\n`);
else await main(values);
