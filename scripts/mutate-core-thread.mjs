/**
 * The thread of mutate-core.mjs that runs the tests of the core: for each mutant a fresh instance of core and tests in this
 * thread, until the first test fails. Tests that found something in a file come first for the next mutant of that file.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parentPort, workerData } from 'node:worker_threads';
import fc from 'fast-check';
import { expect, vi } from 'vitest';
import { mutate } from './mutations.mjs';
import { SourceLinker } from './source-linker.mjs';

/**
 * @typedef {{name: string, run: () => unknown, before: (() => unknown)[], after: (() => unknown)[]}} Test
 * @typedef {{killed: boolean, by: string, ms: number}} Verdict
 */

/** @type {{root: string, tests: string[]}} */
const { root, tests: files } = workerData;
// The same cases for every mutant, and no time for a smaller one.
fc.configureGlobal({ seed: 1, endOnFailure: true });

/** @type {Test[]} what the files that are being loaded declare */
let declared = [];
/** @type {{name: string, before: Test['before'], after: Test['after']}[]} */
let scopes = [];

/** @param {string} name @param {() => unknown} run */
function declare(name, run) {
  const path = [...scopes.map((scope) => scope.name), name].join(' > ');
  const before = scopes.flatMap((scope) => scope.before);
  declared.push({ name: path, run, before, after: scopes.flatMap((scope) => scope.after) });
}

/** @param {(name: string, run: (...values: unknown[]) => unknown) => void} base */
const withEach = (base) =>
  Object.assign(base, {
    each: (/** @type {readonly unknown[]} */ rows) => (/** @type {string} */ name, /** @type {Function} */ run) => {
      for (const [n, row] of rows.entries()) base(`${name} (${n})`, () => run(...(Array.isArray(row) ? row : [row])));
    },
  });

const it = withEach((name, run) => declare(name, run));
const describe = withEach((name, run) => {
  scopes.push({ name, before: [], after: [] });
  run();
  scopes.pop();
});
/** @param {'before' | 'after'} when */
const hook = (when) => (/** @type {() => unknown} */ run) => void scopes.at(-1)?.[when].push(run);
const vitest = { it, test: it, describe, expect, vi, beforeEach: hook('before'), afterEach: hook('after') };

const linker = new SourceLinker(root, { vitest });
for (const file of files) await linker.add(file);

/** How long each test took unchanged: the fast ones come first. @type {Map<string, number>} */
const costs = new Map();
/** By source file: the tests that killed a mutant of it, the latest first. @type {Map<string, string[]>} */
const killers = new Map();

/** @param {Parameters<SourceLinker['load']>[1]} [changed] @returns {Test[]} */
function load(changed) {
  declared = [];
  const instances = new Map();
  for (const file of files) {
    scopes = [{ name: file.replace(/^tests\//, ''), before: [], after: [] }];
    linker.load(file, changed, instances);
  }
  return declared;
}

/** @param {Test} test @returns {Promise<boolean>} whether it passed */
async function passes({ run, before, after }) {
  try {
    for (const one of [...before, run, ...after]) await one();
    return true;
  } catch {
    // Whatever is thrown is a failed test.
    return false;
  } finally {
    vi.restoreAllMocks();
  }
}

/** @param {import('./mutations.mjs').Mutation} mutation @returns {Promise<Omit<Verdict, 'ms'>>} */
async function tryMutation(mutation) {
  const { file } = mutation;
  /** @type {Test[]} */
  let tests;
  try {
    const source = readFileSync(join(root, file), 'utf8');
    tests = load(new Map([[file, linker.compile(file, mutate(source, mutation))]]));
  } catch (error) {
    return { killed: true, by: `does not load: ${error instanceof Error ? error.message : error}` };
  }
  const first = killers.get(file) ?? [];
  const rank = (/** @type {Test} */ { name }) =>
    first.includes(name) ? first.indexOf(name) - first.length : (costs.get(name) ?? 0);
  for (const test of tests.toSorted((a, b) => rank(a) - rank(b))) {
    if (await passes(test)) continue;
    killers.set(file, [test.name, ...first.filter((name) => name !== test.name)].slice(0, 20));
    return { killed: true, by: test.name };
  }
  return { killed: false, by: '' };
}

/** Every test on unchanged sources. @returns {Promise<{failed: string[], tests: number, ms: number}>} */
async function runClean() {
  const failed = [];
  const startedAt = performance.now();
  const tests = load();
  for (const test of tests) {
    const testAt = performance.now();
    if (!(await passes(test))) failed.push(test.name);
    costs.set(test.name, performance.now() - testAt);
  }
  return { failed, tests: tests.length, ms: performance.now() - startedAt };
}

parentPort?.on('message', async (/** @type {import('./mutations.mjs').Mutation | 'clean'} */ message) => {
  const startedAt = performance.now();
  const answer = message === 'clean' ? await runClean() : await tryMutation(message);
  parentPort?.postMessage({ ms: performance.now() - startedAt, ...answer });
});
