/**
 * Makes the checkout ready to run on a machine that has only Node and npm: `ensureReady` installs what the
 * lock file says when that isn't there, compiles the one native module that Node 20 needs, and builds what
 * is stale. When all is current it does nothing, in a few milliseconds. It never changes the lock file.
 */
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build, isBuilt } from './build.mjs';
import { phase, run, runMain, SetupError, say } from './progress.mjs';
import { withLock } from './setup-lock.mjs';
import { slimCheckout } from './slim-modules.mjs';

/** The root of the checkout. */
export const root = fileURLToPath(new URL('..', import.meta.url));

/** Prebuilt inside its package for Node 22 and later; on Node 20 the older release under an alias is compiled. */
const SQLITE = { prebuilt: 'better-sqlite3', compiled: 'better-sqlite3-node20' };
const STAMP = 'node_modules/.rma-setup.json';

/**
 * @typedef {{lockHash: string, natives: string[]}} Stamp what was installed, and for which Nodes SQLite loads
 * @typedef {{packages?: Record<string, {version?: string, integrity?: string, optional?: boolean}>}} Lock
 */

/**
 * Installs and builds as far as needed. Safe to call from several processes at once.
 * @param {{build?: boolean}} [options] `build` compiles protocol, server, agent, client and dashboard (default true)
 * @throws {SetupError} with what is wrong and what to do
 */
export async function ensureReady({ build: wantsBuild = true } = {}) {
  const problem = nodeProblem(process.versions.node);
  if (problem !== undefined) throw new SetupError(problem);
  const isReady = () => isInstalled() && (!wantsBuild || isBuilt(root));
  if (isReady()) return;
  await withLock(
    join(root, '.setup.lock'),
    async () => {
      if (isReady()) return;
      await install();
      if (wantsBuild && !isBuilt(root)) await phase('building', () => build(root));
    },
    (holder) => say(`- ${holder} is setting up this checkout: waiting for it`),
  );
}

/**
 * Why this Node can't run the project, or undefined.
 * @param {string} version such as `20.19.0`
 * @returns {string | undefined}
 */
export function nodeProblem(version) {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  if (major > 20 || (major === 20 && minor >= 19)) return undefined;
  return `RMA Pool needs Node 20.19 or later, and this is Node ${version} (${process.execPath}). Install a current one from https://nodejs.org or with your version manager, then run the command again.`;
}

/**
 * What node_modules lacks of the lock file, or undefined when it holds exactly that. npm leaves a record of
 * what it installed in node_modules; comparing contents rather than times survives checkouts and touches.
 * @param {Lock} lock package-lock.json
 * @param {Lock | undefined} installed node_modules/.package-lock.json
 * @returns {string | undefined}
 */
export function installReason(lock, installed) {
  if (installed === undefined) return 'node_modules is missing or incomplete';
  const have = installed.packages ?? {};
  const want = lock.packages ?? {};
  for (const [path, entry] of Object.entries(want)) {
    if (path === '') continue;
    const other = have[path];
    // Optional packages for other platforms are in the lock file only.
    if (other === undefined && entry.optional === true) continue;
    if (other?.version !== entry.version || other?.integrity !== entry.integrity) {
      return `package-lock.json changed (${path.replace(/^.*node_modules\//, '')})`;
    }
  }
  const extra = Object.keys(have).find((path) => want[path] === undefined);
  return extra === undefined ? undefined : `package-lock.json changed (${extra.replace(/^.*node_modules\//, '')})`;
}

/** Whether the stamp says that this very lock file is installed and that SQLite loads on this Node. */
function isInstalled() {
  const stamp = readStamp();
  if (stamp === undefined || !existsSync(join(root, 'node_modules/.package-lock.json'))) return false;
  if (stamp.lockHash !== lockHash() || !stamp.natives.includes(nativeKey())) return false;
  // Another release of the same Node line may be in use: the compiled module must at least be there.
  return usesPrebuilt() || existsSync(join(root, 'node_modules', SQLITE.compiled, 'build/Release/better_sqlite3.node'));
}

async function install() {
  const lock = /** @type {Lock} */ (readJson('package-lock.json'));
  if (lock === undefined)
    throw new SetupError(`package-lock.json is missing in ${root}: restore it (git checkout package-lock.json).`);
  const reason = installReason(lock, /** @type {Lock | undefined} */ (readJson('node_modules/.package-lock.json')));
  if (reason !== undefined) {
    say(`- ${reason}: installing`);
    requireCompiler();
    rmSync(join(root, STAMP), { force: true });
    // No install script of any dependency runs; the one that is needed is run by compileSqlite.
    await phase('installing packages', () => npm(['ci', '--ignore-scripts']));
  }
  slimCheckout(join(root, 'node_modules'), process);
  const stamp = reason === undefined ? readStamp() : undefined;
  let natives = stamp?.natives ?? [];
  if (!(await sqliteLoads()).ok) {
    if (usesPrebuilt()) throw new SetupError(await prebuiltProblem());
    await compileSqlite();
    // What was compiled for another Node 20 or 21 is overwritten; the prebuilt one is untouched.
    natives = natives.filter((key) => !isCompiledKey(key));
  }
  natives = [...new Set([...natives, nativeKey()])];
  writeFileSync(join(root, STAMP), JSON.stringify({ lockHash: lockHash(), natives }));
}

async function compileSqlite() {
  requireCompiler();
  say(
    `- Node ${process.versions.node.split('.')[0]} needs SQLite compiled once: 1 to 2 minutes (Node 22 and later need no compiling)`,
  );
  await phase('compiling SQLite', () => npm(['rebuild', SQLITE.compiled, '--ignore-scripts=false']));
  const { ok, output } = await sqliteLoads();
  if (!ok) throw new SetupError(`${SQLITE.compiled} was compiled but does not load:\n${output}`);
}

async function prebuiltProblem() {
  const { output } = await sqliteLoads();
  const where = `${process.platform}-${process.arch}, Node ${process.versions.node}`;
  return `${SQLITE.prebuilt} does not load on ${where}. Delete node_modules and run the command again; if that does not help, its package carries no build for this machine.\n${output}`;
}

/** Tries the native module in a child process, because a wrong one may crash instead of throwing. */
async function sqliteLoads() {
  const name = usesPrebuilt() ? SQLITE.prebuilt : SQLITE.compiled;
  const script = `const Database = require(${JSON.stringify(name)}); new Database(':memory:').close()`;
  const { code, output } = await run(process.execPath, ['-e', script], { cwd: root });
  return { ok: code === 0, output };
}

/** Says what is missing before minutes are spent, rather than with a page of node-gyp's output after them. */
function requireCompiler() {
  if (usesPrebuilt()) return;
  const missing = missingTools((name) => onPath(name));
  if (missing.length === 0) return;
  const remedy =
    process.platform === 'darwin'
      ? 'xcode-select --install (and brew install python3 if python3 is missing)'
      : 'sudo apt-get install -y python3 make g++ (or what your distribution calls them)';
  throw new SetupError(
    `Node 20 has to compile SQLite, and this machine lacks ${missing.join(', ')}.\n` +
      `Install it: ${remedy}\nOr use Node 22 or later, which needs no compiler.`,
  );
}

/**
 * @param {(name: string) => boolean} has
 * @returns {string[]} the build tools that are not there
 */
export function missingTools(has) {
  /** @type {[string, string[]][]} */
  const tools = [
    ['python3', ['python3', 'python']],
    ['make', ['make', 'gmake']],
    ['a C++ compiler (g++ or clang++)', ['g++', 'c++', 'clang++']],
  ];
  // On Windows node-gyp finds Visual Studio in the registry, not on the path.
  if (process.platform === 'win32') return [];
  return tools.filter(([, names]) => !names.some(has)).map(([label]) => label);
}

/** @param {readonly string[]} args */
async function npm(args) {
  const own = process.env.npm_execpath;
  // node-gyp's: compile on all cores.
  const env = { ...process.env, JOBS: 'max' };
  const viaNode = own !== undefined && /npm-cli\.c?js$/.test(own);
  const { code, output } = viaNode
    ? await run(process.execPath, [own, ...args], { cwd: root, env })
    : await run('npm', args, { cwd: root, env, shell: process.platform === 'win32' });
  if (code !== 0) throw new SetupError(`npm ${args.join(' ')} failed with status ${code}:\n${output.trimEnd()}`);
}

function usesPrebuilt() {
  return Number(process.versions.node.split('.')[0]) >= 22;
}

/** What decides whether a native module fits: platform, architecture and Node's ABI. */
function nativeKey() {
  return `${process.platform}-${process.arch}-abi${process.versions.modules}`;
}

/** @param {string} key ABI 127 is Node 22's */
function isCompiledKey(key) {
  return Number(/abi(\d+)$/.exec(key)?.[1] ?? 0) < 127;
}

function lockHash() {
  const path = join(root, 'package-lock.json');
  return existsSync(path) ? createHash('sha256').update(readFileSync(path)).digest('hex') : 'none';
}

/** @returns {Stamp | undefined} */
function readStamp() {
  const value = readJson(STAMP);
  const isStamp =
    typeof value === 'object' &&
    value !== null &&
    'lockHash' in value &&
    'natives' in value &&
    Array.isArray(value.natives);
  return isStamp ? /** @type {Stamp} */ (value) : undefined;
}

/** @param {string} path below the root @returns {unknown} undefined where it is missing or damaged */
function readJson(path) {
  try {
    return JSON.parse(readFileSync(join(root, path), 'utf8'));
  } catch {
    return undefined;
  }
}

/** @param {string} name */
function onPath(name) {
  return (process.env.PATH ?? '')
    .split(delimiter)
    .some((dir) => dir !== '' && statSync(join(dir, name), { throwIfNoEntry: false })?.isFile() === true);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  await runMain(async () => {
    await ensureReady();
    return 0;
  });
}
