/**
 * Removes from node_modules what an image never runs: other platforms' binaries of the two native packages (250 MB of
 * uWebSockets.js alone) and SQLite's sources. Only for images: a checkout is shared between Nodes and platforms.
 */
import { existsSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { SetupError, say } from './progress.mjs';

/**
 * @param {string} modules a node_modules folder
 * @param {{platform: string, arch: string, abi: string}} target
 * @returns {string[]} what was removed, below `modules`
 * @throws {SetupError} when the binary for the target is not there: better than an image that falls back unseen
 */
export function slim(modules, { platform, arch, abi }) {
  return [
    ...keepOne(modules, 'uWebSockets.js', /^uws_.*\.node$/, `uws_${platform}_${arch}_${abi}.node`),
    ...keepOne(modules, 'better-sqlite3/prebuilds', /\.node$/, `${platform}-${arch}.node`),
    ...remove(modules, ['better-sqlite3/deps', 'better-sqlite3/src', 'better-sqlite3-node20']),
  ];
}

/** @param {string} modules @param {string} folder @param {RegExp} binaries @param {string} wanted */
function keepOne(modules, folder, binaries, wanted) {
  const path = join(modules, folder);
  if (!existsSync(path)) return [];
  const found = readdirSync(path).filter((name) => binaries.test(name));
  if (!found.includes(wanted)) throw new SetupError(`${folder} has no ${wanted}; it has ${found.join(', ')}`);
  return remove(
    modules,
    found.filter((name) => name !== wanted).map((name) => join(folder, name)),
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
