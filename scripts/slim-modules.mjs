/**
 * Removes from node_modules what cannot run here: other platforms' binaries of the two native packages (some 230 MB of
 * uWebSockets.js alone), and sources that are never compiled. The setup does it after each install and keeps the binaries
 * of every supported Node, because Nodes share a checkout; an image (this file as a program) keeps the one of its own Node.
 */
import { existsSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { SetupError, say } from './progress.mjs';

/** Node 20's ABI, the oldest that the project runs on. */
const OLDEST_ABI = 115;

/**
 * For a checkout. Does nothing where it was done before.
 * @param {string} modules a node_modules folder
 * @param {{platform: string, arch: string}} target
 * @returns {string[]} what was removed, below `modules`
 */
export function slimCheckout(modules, { platform, arch }) {
  const ofTarget = new RegExp(`^uws_${platform}_${arch}_(\\d+)\\.node$`);
  return [
    ...keepOnly(modules, 'uWebSockets.js', /^uws_.*\.node$/, (name) => Number(ofTarget.exec(name)?.[1]) >= OLDEST_ABI),
    // One for each C library.
    ...keepOnly(modules, 'better-sqlite3/prebuilds', /\.node$/, (name) =>
      [`${platform}-${arch}.node`, `${platform}musl-${arch}.node`].includes(name),
    ),
    ...remove(modules, ['better-sqlite3/deps', 'better-sqlite3/src']),
  ];
}

/**
 * For an image.
 * @param {string} modules a node_modules folder
 * @param {{platform: string, arch: string, abi: string}} target
 * @returns {string[]} what was removed, below `modules`
 * @throws {SetupError} when the binary for the target is not there: better than an image that falls back unseen
 */
export function slim(modules, { platform, arch, abi }) {
  const [uws, sqlite] = [`uws_${platform}_${arch}_${abi}.node`, `${platform}-${arch}.node`];
  requireFile(modules, 'uWebSockets.js', uws);
  requireFile(modules, 'better-sqlite3/prebuilds', sqlite);
  return [
    ...keepOnly(modules, 'uWebSockets.js', /^uws_.*\.node$/, (name) => name === uws),
    ...keepOnly(modules, 'better-sqlite3/prebuilds', /\.node$/, (name) => name === sqlite),
    ...remove(modules, ['better-sqlite3/deps', 'better-sqlite3/src', 'better-sqlite3-node20']),
  ];
}

/** @param {string} modules @param {string} folder @param {string} name */
function requireFile(modules, folder, name) {
  const path = join(modules, folder);
  if (!existsSync(path) || existsSync(join(path, name))) return;
  const found = readdirSync(path).filter((each) => each.endsWith('.node'));
  throw new SetupError(`${folder} has no ${name}; it has ${found.join(', ')}`);
}

/** @param {string} modules @param {string} folder @param {RegExp} binaries @param {(name: string) => boolean} isWanted */
function keepOnly(modules, folder, binaries, isWanted) {
  const path = join(modules, folder);
  if (!existsSync(path)) return [];
  const others = readdirSync(path).filter((name) => binaries.test(name) && !isWanted(name));
  return remove(
    modules,
    others.map((name) => join(folder, name)),
  );
}

/** @param {string} modules @param {string[]} paths */
function remove(modules, paths) {
  const there = paths.filter((path) => existsSync(join(modules, path)));
  for (const path of there) rmSync(join(modules, path), { recursive: true });
  return there;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const removed = slim('node_modules', {
    platform: process.platform,
    arch: process.arch,
    abi: process.versions.modules,
  });
  say(`removed ${removed.length} parts of native packages that this image does not run`);
}
