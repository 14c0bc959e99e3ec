/**
 * `node scripts/release.mjs VERSION [--dry-run]`: sets the version in every package and the lock file, moves the notes of
 * CHANGELOG.md from *Unreleased* under the version and the date, checks the result (`npm run check`), commits and tags.
 * It begins on a clean tree, leaves one where a step fails, and pushes nothing. `--dry-run` says what it would do.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { run, runMain, SetupError, say } from './progress.mjs';
import { root } from './setup.mjs';

/** Sources that state the version because they cannot read a package.json: the SDK runs in browsers. */
const STATED_IN = ['client/src/version.ts'];
const CHANGELOG = 'CHANGELOG.md';
const LOCK = 'package-lock.json';

/**
 * @typedef {{path: string, text: string}} Edit a file's whole text after the release
 * @typedef {{version: string, before: string, notes: string, edits: Edit[]}} Plan
 * @typedef {{name: string, version: string, workspaces?: string[]}} Manifest
 * @typedef {{version: string, dependencies?: Record<string, string>, devDependencies?: Record<string, string>}} LockEntry
 */

/**
 * What the release changes. Reads only.
 * @param {string} tree the root of the checkout
 * @param {string} version
 * @param {string} date YYYY-MM-DD
 * @returns {Plan}
 * @throws {SetupError} for a version that is none or not higher, and for a tree that such a release does not fit
 */
export function planRelease(tree, version, date) {
  const read = (/** @type {string} */ path) => readFileSync(join(tree, path), 'utf8');
  const { version: before, workspaces = [] } = /** @type {Manifest} */ (JSON.parse(read('package.json')));
  assertHigher(version, before);
  const manifests = ['package.json', ...workspaces.map((folder) => `${folder}/package.json`)];
  const names = manifests.map((path) => /** @type {Manifest} */ (JSON.parse(read(path))).name);
  const changelog = releaseNotes(read(CHANGELOG), version, date);
  return {
    version,
    before,
    notes: changelog.notes,
    edits: [
      ...manifests.map((path) => ({ path, text: manifestAt(path, read(path), names, before, version) })),
      { path: LOCK, text: lockAt(read(LOCK), ['', ...workspaces], names, version) },
      ...STATED_IN.map((path) => ({ path, text: replaced(path, read(path), `'${before}'`, `'${version}'`) })),
      { path: CHANGELOG, text: changelog.text },
    ],
  };
}

/** @param {string} version @param {string} before */
function assertHigher(version, before) {
  if (!/^(0|[1-9]\d*)(\.(0|[1-9]\d*)){2}$/.test(version)) {
    throw new SetupError(`'${version}' is no version: give MAJOR.MINOR.PATCH, such as 0.2.0 (now ${before})`);
  }
  const [now, then] = [version, before].map((text) => text.split('.').map(Number));
  const at = [0, 1, 2].find((i) => now?.[i] !== then?.[i]);
  if (at === undefined || Number(now?.[at]) < Number(then?.[at])) {
    throw new SetupError(`${version} is not higher than ${before}, the version of package.json`);
  }
}

/**
 * Moves what stands under *Unreleased* under the version.
 * @param {string} text of CHANGELOG.md
 * @param {string} version
 * @param {string} date
 * @returns {{text: string, notes: string}}
 * @throws {SetupError} where nothing stands there
 */
export function releaseNotes(text, version, date) {
  const heading = '## [Unreleased]\n';
  const at = text.indexOf(heading);
  if (at < 0) throw new SetupError(`${CHANGELOG} has no line '${heading.trim()}'`);
  const from = at + heading.length;
  const next = text.indexOf('\n## [', from);
  const to = next < 0 ? text.length : next + 1;
  const notes = text.slice(from, to).trim();
  if (notes === '') {
    throw new SetupError(`${CHANGELOG} has nothing under [Unreleased]: say there what a user notices in ${version}`);
  }
  const rest = text.slice(to);
  const released = `${heading}\n## [${version}] - ${date}\n\n${notes}\n`;
  return { notes, text: text.slice(0, at) + released + (rest === '' ? '' : `\n${rest}`) };
}

/**
 * Keeps the file's own formatting.
 * @param {string} path
 * @param {string} text
 * @param {readonly string[]} names of our packages, which depend on each other in exact versions
 * @param {string} before
 * @param {string} version
 */
function manifestAt(path, text, names, before, version) {
  const own = replaced(path, text, `"version": "${before}"`, `"version": "${version}"`);
  return names.reduce((all, name) => all.replaceAll(`"${name}": "${before}"`, `"${name}": "${version}"`), own);
}

/**
 * @param {string} text
 * @param {readonly string[]} folders
 * @param {readonly string[]} names
 * @param {string} version
 */
function lockAt(text, folders, names, version) {
  const lock = /** @type {{version: string, packages: Record<string, LockEntry>}} */ (JSON.parse(text));
  lock.version = version;
  for (const folder of folders) {
    const entry = lock.packages[folder];
    if (entry === undefined)
      throw new SetupError(`${LOCK} has no entry '${folder}': run npm install and commit it first`);
    entry.version = version;
    for (const dependencies of [entry.dependencies ?? {}, entry.devDependencies ?? {}]) {
      for (const name of names) if (dependencies[name] !== undefined) dependencies[name] = version;
    }
  }
  // As npm writes it.
  return `${JSON.stringify(lock, null, 2)}\n`;
}

/** @param {string} path @param {string} text @param {string} from @param {string} to */
function replaced(path, text, from, to) {
  if (!text.includes(from))
    throw new SetupError(`${path} does not state ${from}: bring it in line with package.json first`);
  return text.replace(from, to);
}

/**
 * @param {{tree: string, version: string, date: string, dryRun: boolean}} options
 * @throws {SetupError} with what is in the way; the tree is as it was
 */
export async function release({ tree, version, date, dryRun }) {
  const plan = planRelease(tree, version, date);
  const tag = `v${version}`;
  if ((await git(tree, 'tag', '--list', tag)) !== '') throw new SetupError(`the tag ${tag} exists already`);
  const changes = await git(tree, 'status', '--porcelain');
  if (changes !== '') throw new SetupError(`the tree is not clean; commit or put away first:\n${changes}`);
  const paths = plan.edits.map(({ path }) => path);
  say(`Release ${version} (now ${plan.before}) of ${date}, on ${await git(tree, 'branch', '--show-current')}:`);
  say(`- the version in ${paths.filter((path) => path !== CHANGELOG).join(', ')}`);
  say(`- ${CHANGELOG}, under [${version}]:\n\n${plan.notes.replaceAll(/^(?=.)/gm, '    ')}\n`);
  say(`- npm run check, then the commit "Release ${version}" and the tag ${tag}`);
  if (dryRun) {
    say('Nothing was changed (--dry-run).');
    return;
  }
  try {
    for (const { path, text } of plan.edits) writeFileSync(join(tree, path), text);
    // After the edits, so that what is tagged is what was checked.
    const { code } = await run('npm', ['run', 'check'], { cwd: tree, show: true, shell: process.platform === 'win32' });
    if (code !== 0) throw new SetupError('npm run check failed, see above; nothing was released');
    await git(tree, 'commit', '--quiet', '--message', `Release ${version}`, '--', ...paths);
  } catch (error) {
    await git(tree, 'checkout', '--quiet', 'HEAD', '--', ...paths);
    throw error;
  }
  await git(
    tree,
    'tag',
    '--annotate',
    tag,
    '--message',
    `RMA Pool ${version}\n\n${plan.notes.replaceAll(/^#+ /gm, '')}`,
  );
  say(`Released. To publish it: git push --follow-tags`);
}

/** @param {string} tree @param {string[]} args @returns {Promise<string>} its output @throws {SetupError} where it fails */
async function git(tree, ...args) {
  const { code, output } = await run('git', args, { cwd: tree });
  if (code !== 0) throw new SetupError(`git ${args[0]} ended with status ${code}: ${output.trim()}`);
  return output.trimEnd();
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  await runMain(async () => {
    const { values, positionals } = parseArgs({
      options: { 'dry-run': { type: 'boolean', default: false } },
      allowPositionals: true,
    });
    const [version, ...others] = positionals;
    if (version === undefined || others.length > 0)
      throw new SetupError('node scripts/release.mjs VERSION [--dry-run]');
    const date = new Date().toISOString().slice(0, 10);
    await release({ tree: root, version, date, dryRun: values['dry-run'] });
    return 0;
  });
}
