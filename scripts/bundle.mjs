/**
 * Puts each command into one file: loading the five hundred small modules that `rma` or a coordinator consists of takes
 * half a second of processor time at every start, one file a tenth of it. A bin takes its bundle where that is not older
 * than what the compiler wrote, and the modules as compiled elsewhere; both do the same.
 */
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { join, relative } from 'node:path';
import { say } from './progress.mjs';

/** Where bundles lie, below a package. */
export const BUNDLE_FOLDER = 'dist/bundle';

/** package: its entries, below dist, by the names of their bundles. */
const ENTRIES = {
  client: { rma: 'cli/main.js' },
  server: { 'rma-coordinator': 'main.js' },
  agent: { 'rma-worker': 'cli/main.js' },
  workloads: { 'rma-task-server': 'task-server/main.js' },
};

/** Stay modules of their own: native, or they look for files beside themselves. */
const EXTERNAL = [
  /^node:/,
  /^(uWebSockets\.js|better-sqlite3(-node20)?|sqlite-vec|node-llama-cpp|@electric-sql\/.*)$/,
  /^(msgpackr|pino|dockerode|systeminformation|tesseract\.js|unpdf|@energetic-ai\/.*)$/,
];

/** @param {string} root @returns {string[]} the bundles, below the root */
export function bundles(root) {
  return Object.entries(ENTRIES).flatMap(([name, entries]) =>
    Object.keys(entries).map((entry) => join(root, name, BUNDLE_FOLDER, `${entry}.js`)),
  );
}

/**
 * Bundles what the compiler wrote. Where the bundler's binary is missing (it is an optional package for each platform)
 * it says so, and the commands run as compiled.
 * @param {string} root
 * @returns {Promise<boolean>} whether there are bundles now
 */
export async function bundle(root) {
  /** @type {typeof import('rolldown')} */
  let bundler;
  try {
    // Here rather than at the top: this file is loaded before dependencies are installed.
    bundler = await import('rolldown');
  } catch (error) {
    for (const name of Object.keys(ENTRIES)) rmSync(join(root, name, BUNDLE_FOLDER), { recursive: true, force: true });
    const reason = (error instanceof Error ? error.message : String(error)).split('\n')[0];
    say(`- rolldown does not load here, so that commands start slower: ${reason}`);
    return false;
  }
  for (const [name, entries] of Object.entries(ENTRIES)) {
    const dir = join(root, name, BUNDLE_FOLDER);
    rmSync(dir, { recursive: true, force: true });
    const input = Object.fromEntries(Object.entries(entries).map(([to, from]) => [to, join(root, name, 'dist', from)]));
    const built = await bundler.rolldown({
      input,
      platform: 'node',
      external: EXTERNAL,
      plugins: [asCompiled(root, dir)],
    });
    await built.write({
      dir,
      format: 'esm',
      chunkFileNames: '[name]-[hash].js',
      sourcemap: true,
      // Licences stay.
      comments: { legal: true, annotation: false, jsdoc: false },
    });
    await built.close();
  }
  return true;
}

/**
 * Our own modules with their source maps, so that `node --enable-source-maps` leads to the TypeScript, and with the URLs
 * that they have as compiled: child processes, threads and shipped files stand beside those.
 * @param {string} root
 * @param {string} dir where the bundle will lie
 * @returns {import('rolldown').Plugin}
 */
function asCompiled(root, dir) {
  return {
    name: 'as-compiled',
    load(id) {
      const map = `${id}.map`;
      if (!id.startsWith(root) || id.includes('node_modules') || !existsSync(map)) return null;
      return { code: readFileSync(id, 'utf8'), map: readFileSync(map, 'utf8') };
    },
    transform(code, id) {
      if (!id.startsWith(root) || id.includes('node_modules') || !code.includes('import.meta.url')) return null;
      const from = relative(dir, id).replaceAll('\\', '/');
      return { code: code.replaceAll('import.meta.url', `new URL('${from}', import.meta.url).href`), map: null };
    },
  };
}
