// @ts-check
/**
 * `node tests/compat/make-fixtures.mjs COMMIT [--tree DIR]`: bundles agent, SDK and coordinator of a commit into
 * fixtures/COMMIT, with their SHA-256. `--tree` is a checkout of that commit that is built already; without it one is
 * made, installed and built in a temporary directory. README.md has the whole procedure.
 */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { copyFileSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, posix } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { rolldown } from 'rolldown';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
/** Written last, in the format of `sha256sum --check`. */
const SUMS = 'SHA256SUMS';

/**
 * bundle: its entry, below the tree. Files that a program starts or loads by URL are bundles of their own; `echo` is the
 * only built-in workload that comes along.
 * @type {Record<string, string>}
 */
const ENTRIES = {
  coordinator: 'server/dist/main.js',
  'reader-thread': 'server/dist/store/reader-thread.js',
  agent: 'agent/dist/main.js',
  child: 'agent/dist/embedded/child.js',
  watchdog: 'agent/dist/embedded/watchdog.js',
  echo: 'agent/dist/embedded/handlers/echo.js',
  sdk: 'client/dist/index.js',
};

/** Taken from node_modules: native, or loaded only for workloads that do not come along. */
const EXTERNAL = [
  /^node:/,
  /^(uWebSockets\.js|better-sqlite3(-node20)?|sqlite-vec|msgpackr-extract|node-llama-cpp|@electric-sql\/.*)$/,
  /^(dockerode|tesseract\.js|unpdf|mammoth|read-excel-file.*|html-to-text|@energetic-ai\/.*|postgres)$/,
];

const { values, positionals } = parseArgs({ allowPositionals: true, options: { tree: { type: 'string' } } });
const [commit] = positionals;
if (commit === undefined || !/^[0-9a-f]{7,40}$/.test(commit)) {
  process.stderr.write('Usage: node tests/compat/make-fixtures.mjs COMMIT [--tree DIR]\n');
  process.exit(2);
}
if (values.tree === undefined) await withCheckout(commit, (tree) => makeFixtures(commit, tree));
else await makeFixtures(commit, values.tree);

/** @param {string} commit @param {(tree: string) => Promise<void>} work */
async function withCheckout(commit, work) {
  const tree = mkdtempSync(join(tmpdir(), 'rma-compat-'));
  const run = (/** @type {string} */ command, /** @type {string[]} */ ...args) =>
    execFileSync(command, args, { cwd: tree, stdio: ['ignore', 'inherit', 'inherit'] });
  try {
    execFileSync('git', ['worktree', 'add', '--detach', tree, commit], { cwd: ROOT, stdio: 'inherit' });
    run('npm', 'ci', '--ignore-scripts');
    run('npx', 'tsc', '-b');
    await work(tree);
  } finally {
    execFileSync('git', ['worktree', 'remove', '--force', tree], { cwd: ROOT, stdio: 'inherit' });
    rmSync(tree, { recursive: true, force: true });
  }
}

/** @param {string} commit @param {string} tree */
async function makeFixtures(commit, tree) {
  const target = join(ROOT, 'tests/compat/fixtures', commit);
  mkdirSync(target, { recursive: true });
  for (const entry of readdirSync(target)) if (/\.mjs$/.test(entry)) rmSync(join(target, entry));
  for (const [name, entry] of Object.entries(ENTRIES)) await bundle(tree, entry, join(target, `${name}.mjs`));
  const { version } = JSON.parse(readFileSync(join(tree, 'server/package.json'), 'utf8'));
  writeFileSync(join(target, 'package.json'), `${JSON.stringify({ version, type: 'module', private: true })}\n`);
  copyFileSync(join(tree, 'catalog.yaml'), join(target, 'catalog.yaml'));
  const names = readdirSync(target).filter((name) => /\.(mjs|json|yaml)$/.test(name));
  const lines = names.sort().map((name) => `${sha256(join(target, name))}  ${name}\n`);
  writeFileSync(join(target, SUMS), lines.join(''));
}

/** @param {string} tree @param {string} entry @param {string} file */
async function bundle(tree, entry, file) {
  const input = join(tree, entry);
  const built = await rolldown({ input, cwd: tree, platform: 'node', external: EXTERNAL, plugins: [flatUrls(tree)] });
  await built.write({
    file,
    format: 'esm',
    codeSplitting: false,
    minify: true,
    comments: { legal: true, annotation: false, jsdoc: false },
  });
  await built.close();
}

/**
 * All files of a fixture lie in one folder: what a module finds beside itself by `new URL(PATH, import.meta.url)` is there
 * under its last name.
 * @param {string} tree
 * @returns {import('rolldown').Plugin}
 */
function flatUrls(tree) {
  return {
    name: 'flat-urls',
    transform(code, id) {
      if (!id.startsWith(tree) || id.includes('node_modules')) return null;
      const flat = code.replace(
        /new URL\((['"`])([^'"`]+)\1, import\.meta\.url\)/g,
        (_, quote, path) =>
          `new URL(${quote}./${posix.basename(path).replace(/\.js$/, '.mjs')}${quote}, import.meta.url)`,
      );
      return flat === code ? null : { code: flat, map: null };
    },
  };
}

/** @param {string} path */
function sha256(path) {
  return createHash('sha256').update(readFileSync(path)).digest('hex');
}
