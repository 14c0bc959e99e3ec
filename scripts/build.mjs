/**
 * The build: TypeScript's incremental `tsc -b` over the packages, the bundles of their commands, the dashboard by
 * Vite, the tarball of the agent, and a check by file times whether it is needed at all, so that `npm start` on a
 * current checkout starts at once.
 */
import { createHash } from 'node:crypto';
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { AGENT_TARBALL, writeAgentPackage } from './agent-package.mjs';
import { BUNDLE_FOLDER, bundle, bundles } from './bundle.mjs';
import { run, SetupError } from './progress.mjs';

/** In the order in which they depend on each other. */
export const packages = ['protocol', 'peer', 'workloads', 'server', 'agent', 'client'];

/** Character maps for Chinese, Japanese and Korean PDFs that do not embed their own; `document.extract` reads them. */
const CHARACTER_MAPS = { from: 'node_modules/pdfjs-dist/cmaps', to: 'workloads/dist/cmaps' };
const STAMP = 'node_modules/.cache/rma/build';
/** Ends the stamp of a build on a machine where there is no bundler. */
const UNBUNDLED = ' unbundled';
/** Of what the dashboard was built from: it takes the longest, and most changes are elsewhere. */
const DASHBOARD_STAMP = 'node_modules/.cache/rma/dashboard';
const DASHBOARD_PAGE = 'dashboard/build/index.html';
/** It bundles the SDK, peer, the protocol and the workloads' manifests, as the compiler left them. */
const DASHBOARD_SOURCES = [
  'dashboard/src',
  'dashboard/static',
  'client/src',
  'peer/src',
  'protocol/src',
  'workloads/src',
];
const DASHBOARD_CONFIGS = ['svelte.config.js', 'vite.config.ts', 'tsconfig.json', 'package.json'];

/**
 * Whether every source has its output and nothing changed since the last good build.
 * @param {string} root
 */
export function isBuilt(root) {
  const stamp = join(root, STAMP);
  const stamped = existsSync(stamp) ? readFileSync(stamp, 'utf8') : '';
  const print = fingerprint(root);
  if (stamped !== print && stamped !== print + UNBUNDLED) return false;
  const outputs = [
    join(root, AGENT_TARBALL),
    join(root, CHARACTER_MAPS.to),
    ...(stamped === print ? bundles(root) : []),
  ];
  if (!outputs.every((path) => existsSync(path)) || !isDashboardBuilt(root)) return false;
  return packages.every((name) => missingOutputs(root, name).length === 0);
}

/**
 * Builds, and forgets outputs whose source is gone: an import of those would work here and nowhere else.
 * @param {string} root
 * @throws {SetupError} with the compiler's messages
 */
export async function build(root) {
  // Taken first: what changes while the compiler runs makes the next build necessary.
  const before = fingerprint(root);
  const isBundled = await buildPackages(root);
  if (!isDashboardBuilt(root)) await buildDashboard(root);
  const stamp = join(root, STAMP);
  mkdirSync(dirname(stamp), { recursive: true });
  writeFileSync(stamp, isBundled ? before : before + UNBUNDLED);
}

/**
 * All but the dashboard: the packages, the bundles of their commands, the agent's tarball.
 * @param {string} root
 * @returns {Promise<boolean>} whether there was a bundler
 * @throws {SetupError} with the compiler's messages
 */
export async function buildPackages(root) {
  for (const name of packages) {
    removeOrphans(root, name);
    // The compiler trusts its own record and would not notice that outputs were deleted.
    if (missingOutputs(root, name).length > 0) rmSync(join(root, name, 'tsconfig.tsbuildinfo'), { force: true });
  }
  await compile(root, packages);
  cpSync(join(root, CHARACTER_MAPS.from), join(root, CHARACTER_MAPS.to), { recursive: true });
  writeAgentPackage(root);
  return bundle(root);
}

/**
 * @param {string} root
 * @param {readonly string[]} projects folders with a tsconfig.json
 * @throws {SetupError} with the compiler's messages
 */
export async function compile(root, projects) {
  const { code, output } = await run(process.execPath, ['node_modules/typescript/bin/tsc', '-b', ...projects], {
    cwd: root,
  });
  if (code !== 0) throw new SetupError(`The build failed:\n${output.trimEnd()}`);
}

/** @param {string} root */
function isDashboardBuilt(root) {
  const stamp = join(root, DASHBOARD_STAMP);
  if (!existsSync(join(root, DASHBOARD_PAGE)) || !existsSync(stamp)) return false;
  return readFileSync(stamp, 'utf8') === dashboardFingerprint(root);
}

/**
 * @param {string} root
 * @throws {SetupError} with Vite's messages
 */
export async function buildDashboard(root) {
  const before = dashboardFingerprint(root);
  const { code, output } = await run(process.execPath, [join(root, 'node_modules/vite/bin/vite.js'), 'build'], {
    cwd: join(root, 'dashboard'),
  });
  if (code !== 0) throw new SetupError(`The dashboard's build failed:\n${output.trimEnd()}`);
  const stamp = join(root, DASHBOARD_STAMP);
  mkdirSync(dirname(stamp), { recursive: true });
  writeFileSync(stamp, before);
}

/** @param {string} root */
function dashboardFingerprint(root) {
  const configs = DASHBOARD_CONFIGS.map((name) => `dashboard/${name}`);
  // What the packages export, and to whom, is in their package.json.
  configs.push('client/package.json', 'peer/package.json', 'protocol/package.json', 'package-lock.json');
  const sources = DASHBOARD_SOURCES.flatMap((folder) => filesBelow(root, folder)).filter(
    (path) => !path.startsWith('workloads/') || /\/(manifests?|collection-schemas)\.ts$/.test(path),
  );
  return fingerprintOf(root, [...configs, ...sources]);
}

/** @param {string} root */
function fingerprint(root) {
  const configs = ['tsconfig.base.json', 'node_modules/typescript/package.json', 'node_modules/rolldown/package.json'];
  configs.push('scripts/agent-package.mjs', 'scripts/build.mjs', 'scripts/bundle.mjs');
  configs.push('agent/bin/rma-worker.js', 'deploy/rma-worker.service');
  for (const name of packages) configs.push(`${name}/tsconfig.json`, `${name}/package.json`);
  const sources = packages.flatMap((name) => filesBelow(root, `${name}/src`));
  return fingerprintOf(root, [...configs, ...sources]);
}

/** @param {string} root @param {readonly string[]} paths */
function fingerprintOf(root, paths) {
  const hash = createHash('sha256');
  for (const path of paths) {
    const stat = statSync(join(root, path), { throwIfNoEntry: false });
    hash.update(`${path} ${stat?.mtimeMs} ${stat?.size}\n`);
  }
  return hash.digest('hex');
}

/** @param {string} root @param {string} name */
function missingOutputs(root, name) {
  return filesBelow(root, `${name}/src`)
    .filter((path) => path.endsWith('.ts') && !path.endsWith('.d.ts'))
    .map((path) => path.replace('/src/', '/dist/').replace(/\.ts$/, '.js'))
    .filter((path) => !existsSync(join(root, path)));
}

/** @param {string} root @param {string} name */
function removeOrphans(root, name) {
  for (const path of filesBelow(root, `${name}/dist`)) {
    if (path.startsWith(`${name}/${BUNDLE_FOLDER}/`)) continue;
    const source = path.replace('/dist/', '/src/').replace(/\.(d\.ts|js)(\.map)?$/, '.ts');
    if (source.endsWith('.ts') && !existsSync(join(root, source))) rmSync(join(root, path));
  }
}

/** @param {string} root @param {string} folder @returns {string[]} paths from the root, sorted, with forward slashes */
function filesBelow(root, folder) {
  if (!existsSync(join(root, folder))) return [];
  return readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(join(root, '/').length).replaceAll('\\', '/'))
    .sort();
}
