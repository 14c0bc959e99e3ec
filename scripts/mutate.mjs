/**
 * `node scripts/mutate.mjs [OPTIONS]`: how much of the behaviour the tests hold. Changes one place of one source file at a
 * time (a statement deleted, a comparison flipped, a field dropped ...), runs the tests of its folder, and tells whether
 * one of them failed. The same seed on the same tree makes the same mutants. Needs a built checkout; only the compiled
 * file changes, and is put back. The core has a faster one: mutate-core.mjs.
 */
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import ts from 'typescript';
import { filesBelow, linesOf, mutate, mutationsOf, pick } from './mutations.mjs';

/**
 * area: a folder of sources, and the tests that import them from dist in their own process. Tests that start commands
 * run bundles, which a mutant does not reach.
 * @type {Record<string, {sources: string[], skip?: RegExp, tests: string[]}>}
 */
const AREAS = {
  protocol: { sources: ['protocol/src'], tests: ['tests/protocol'] },
  store: { sources: ['server/src/store'], skip: /reader-thread/, tests: ['tests/store'] },
  topics: { sources: ['server/src/topics'], tests: ['tests/topics'] },
  link: {
    sources: ['peer/src', 'agent/src/link', 'agent/src/attempts'],
    skip: /browser/,
    tests: ['tests/peer', 'tests/agent/link', 'tests/agent/attempts'],
  },
  client: { sources: ['client/src'], skip: /\/cli\/|browser/, tests: ['tests/client'] },
};
/** They start commands, and would not notice. */
const BLIND_TESTS = /\/(process|cli|catalog|join-command|command-groups|package)\.test\.ts$/;
/** Take seconds: they run only for the files that they import. */
const SLOW_TESTS =
  /\/(rehearsal\.property|simulation\.property|slow-browser|live-client|codec|hostile-frames|reader|lock|reconnect|client)\.test\.ts$/;

const HELP = `Usage: node scripts/mutate.mjs [options]

  --package NAME   ${Object.keys(AREAS).join(', ')} (default: all)
  --limit SECONDS  what does not end within it counts as killed (default 120)
  --count N        mutants (default 100)
  --seed N         the same seed makes the same mutants of the same tree (default 1)
  --root DIR       a built checkout (default: this one)
  --out FILE       write the list there as JSON; what an interrupted run left there is gone on with`;

/**
 * @typedef {import('./mutations.mjs').Mutation & {area: string}} Mutation
 * @typedef {Pick<Mutation, 'area' | 'file' | 'line' | 'kind'> & {before: string, after: string, killed: boolean, by: string, ms: number}} Outcome
 */

/** @param {string} root @param {string} area @returns {Mutation[]} */
function areaMutations(root, area) {
  const { sources = [], skip } = AREAS[area] ?? {};
  return sources
    .flatMap((folder) => filesBelow(root, folder, '.ts'))
    .filter((file) => !skip?.test(file))
    .flatMap((file) => mutationsOf(file, readFileSync(join(root, file), 'utf8')))
    .map((mutation) => ({ ...mutation, area }));
}

/** @param {string} root @param {string} area */
function testsOf(root, area) {
  const all = (AREAS[area]?.tests ?? []).flatMap((folder) => filesBelow(root, folder, '.test.ts'));
  return all.filter((file) => !BLIND_TESTS.test(file));
}

/**
 * First the tests that import the file themselves, fast or slow; where they find nothing, the fast ones of its area.
 * @param {string} root
 * @param {Mutation} mutation
 * @param {number} limitMs
 */
async function findFailure(root, { area, file }, limitMs) {
  const tests = testsOf(root, area);
  const specifier = `@rma/${file.replace('/src/', '/').replace(/\.ts$/, '')}'`;
  const isRelated = (/** @type {string} */ test) => readFileSync(join(root, test), 'utf8').includes(specifier);
  const related = tests.filter(isRelated);
  const found = related.length === 0 ? { killed: false, by: '' } : await runTests(root, related, limitMs);
  const others = tests.filter((test) => !related.includes(test) && !SLOW_TESTS.test(test));
  return found.killed || others.length === 0 ? found : runTests(root, others, limitMs);
}

/**
 * @param {string} root
 * @param {string[]} tests
 * @param {number} limitMs
 * @returns {Promise<{killed: boolean, by: string}>} `by` names the first test that failed
 */
async function runTests(root, tests, limitMs) {
  const work = mkdtempSync(join(tmpdir(), 'rma-mutate-'));
  const report = join(work, 'report.json');
  const options = [
    'run',
    '--bail=1',
    '--no-file-parallelism',
    '--reporter=json',
    `--outputFile=${report}`,
    '--retry=0',
  ];
  try {
    const child = spawn(process.execPath, ['node_modules/vitest/vitest.mjs', ...options, ...tests], {
      cwd: root,
      stdio: 'ignore',
      timeout: limitMs,
      killSignal: 'SIGKILL',
    });
    const [status, signal] = await once(child, 'exit');
    if (signal !== null) return { killed: true, by: 'it did not end' };
    return { killed: status !== 0, by: status === 0 ? '' : firstFailure(report) };
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

/** @param {string} report */
function firstFailure(report) {
  if (!existsSync(report)) return 'the run itself';
  /** @type {{testResults: {name: string, status: string, assertionResults: {status: string, fullName: string}[]}[]}} */
  const { testResults } = JSON.parse(readFileSync(report, 'utf8'));
  const file = testResults.find(({ status }) => status === 'failed');
  const test = file?.assertionResults.find(({ status }) => status === 'failed');
  return `${file?.name.replace(/^.*\/tests\//, 'tests/') ?? 'the run itself'}: ${test?.fullName.trim() ?? 'does not load'}`;
}

/** @param {string} root @param {Mutation} mutation @param {number} limitMs @returns {Promise<Outcome>} */
async function tryMutation(root, mutation, limitMs) {
  const { area, file, line, kind } = mutation;
  const source = readFileSync(join(root, file), 'utf8');
  const compiled = join(root, file.replace('/src/', '/dist/').replace(/\.ts$/, '.js'));
  const original = readFileSync(compiled);
  const startedAt = performance.now();
  try {
    writeFileSync(compiled, transpile(file, mutate(source, mutation)));
    const { killed, by } = await findFailure(root, mutation, limitMs);
    const ms = Math.round(performance.now() - startedAt);
    return { area, file, line, kind, ...linesOf(source, mutation), killed, by, ms };
  } finally {
    writeFileSync(compiled, original);
  }
}

/** @param {string} fileName @param {string} source */
function transpile(fileName, source) {
  const compilerOptions = {
    target: ts.ScriptTarget.ES2023,
    module: ts.ModuleKind.ESNext,
    verbatimModuleSyntax: true,
    isolatedModules: true,
  };
  return ts.transpileModule(source, { fileName, compilerOptions }).outputText;
}

/** @param {Record<'package' | 'count' | 'seed' | 'root' | 'out' | 'limit', string | undefined>} options */
async function main({ package: only, count = '100', seed = '1', root: given, out, limit = '120' }) {
  const root = resolve(given ?? fileURLToPath(new URL('..', import.meta.url)));
  const limitMs = Number(limit) * 1_000;
  const commit = execFileSync('git', ['rev-parse', 'HEAD'], { cwd: root, encoding: 'utf8' }).trim();
  const outcomes = earlierOutcomes(out, commit, Number(seed));
  // The file that is changed at the moment is to be put back.
  let isStopped = false;
  for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => (isStopped = true));
  const areas = Object.keys(AREAS);
  for (const [i, area] of areas.entries()) {
    const share = Math.floor((Number(count) * (i + 1)) / areas.length) - Math.floor((Number(count) * i) / areas.length);
    const done = outcomes.filter((outcome) => outcome.area === area).length;
    const mutations = pick(areaMutations(root, area), only === undefined ? share : Number(count), Number(seed) + i);
    if ((only !== undefined && only !== area) || done >= mutations.length || isStopped) continue;
    const fast = testsOf(root, area).filter((test) => !SLOW_TESTS.test(test));
    const clean = await runTests(root, fast, limitMs);
    if (clean.killed) throw new Error(`${area}: the tests fail without any mutation (${clean.by})`);
    for (const mutation of mutations.slice(done)) {
      if (isStopped) break;
      const outcome = await tryMutation(root, mutation, limitMs);
      outcomes.push(outcome);
      const mark = outcome.killed ? 'killed  ' : 'SURVIVED';
      process.stdout.write(`${mark} ${outcome.file}:${outcome.line} ${outcome.kind}: ${outcome.before.slice(0, 90)}\n`);
      if (out) writeFileSync(out, `${JSON.stringify({ commit, seed: Number(seed), outcomes }, undefined, 1)}\n`);
    }
  }
  const killed = outcomes.filter((outcome) => outcome.killed).length;
  process.stdout.write(`${killed} of ${outcomes.length} killed\n`);
}

/** @param {string | undefined} out @param {string} commit @param {number} seed @returns {Outcome[]} */
function earlierOutcomes(out, commit, seed) {
  if (out === undefined || !existsSync(out)) return [];
  const earlier = JSON.parse(readFileSync(out, 'utf8'));
  if (earlier.commit === commit && earlier.seed === seed) return earlier.outcomes;
  throw new Error(`${out} is of another commit or seed: give another file`);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const string = /** @type {const} */ ({ type: 'string' });
  const options = { package: string, count: string, seed: string, root: string, out: string, limit: string };
  const { values } = parseArgs({ options: { ...options, help: { type: 'boolean', short: 'h' } } });
  if (values.help === true) process.stdout.write(`${HELP}\n`);
  else await main(/** @type {Parameters<typeof main>[0]} */ (values));
}
