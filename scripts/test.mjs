/**
 * `npm test [-- [--all] [--second-node] FILTER... VITEST-OPTION...]`: sets up, builds and runs the tests in groups that
 * don't get in each other's way. Ends with the slowest files and one line, `N passed, N failed[, N skipped]`, over all
 * groups.
 */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { elapsed, run, runMain, SetupError, say } from './progress.mjs';
import { ensureReady, root } from './setup.mjs';
import {
  addCounts,
  closingLine,
  countReport,
  isGreen,
  ON_REQUEST,
  partition,
  slowestFiles,
  splitArgs,
} from './test-groups.mjs';

await runMain(async () => {
  const { filters, options, all } = splitArgs(process.argv.slice(2));
  await ensureReady();
  const groups = partition(testFiles(), filters, all);
  if (groups.length === 0) throw new SetupError(`No test file matches ${filters.join(' ') || 'tests/**/*.test.ts'}.`);

  if (filters.length === 0 && !all)
    say(`Without ${ON_REQUEST.map((name) => name.replace('tests/', '')).join(' ')}: npm test -- --all runs them, too.`);
  const start = Date.now();
  const reports = mkdtempSync(join(tmpdir(), 'rma-test-'));
  /** @type {unknown[]} */
  const results = [];
  let counts = { passed: 0, failed: 0, skipped: 0 };
  try {
    for (const [index, group] of groups.entries()) {
      say(`\n=== ${group.name}: ${group.files.length} file${group.files.length === 1 ? '' : 's'}`);
      const report = join(reports, `${index}.json`);
      const code = await vitest(group, report, options);
      const result = readReport(report);
      results.push(result);
      counts = addCounts(counts, countReport(result, code));
    }
  } finally {
    rmSync(reports, { recursive: true, force: true });
  }
  say(`\nThe slowest files:\n${slowestFiles(results).join('\n')}`);
  say(`\nNode ${process.versions.node}, ${elapsed(start)}`);
  process.stdout.write(`${closingLine(counts)}\n`);
  return isGreen(counts) ? 0 : 1;
});

/**
 * @param {import('./test-groups.mjs').Group} group
 * @param {string} report
 * @param {string[]} options
 */
async function vitest({ files, atOnce }, report, options) {
  const workers = atOnce > 1 ? [`--maxWorkers=${atOnce}`] : ['--no-file-parallelism'];
  const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${report}`];
  const args = ['node_modules/vitest/vitest.mjs', 'run', ...workers, ...reporters, ...options, ...files];
  return (await run(process.execPath, args, { cwd: root, show: true })).code;
}

function testFiles() {
  return readdirSync(join(root, 'tests'), { recursive: true, encoding: 'utf8' })
    .map((path) => `tests/${path.replaceAll('\\', '/')}`)
    .filter((path) => path.endsWith('.test.ts'))
    .sort();
}

/** @param {string} path @returns {unknown} undefined where vitest did not get to write it */
function readReport(path) {
  try {
    return JSON.parse(readFileSync(path, 'utf8'));
  } catch {
    return undefined;
  }
}
