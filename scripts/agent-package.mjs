/**
 * Packs the agent as a tarball that `npx https://HOST/agent.tgz` runs: the coordinator serves the agent that matches it,
 * with nothing published anywhere. Our own packages are bundled, the rest comes from the registry in exact versions, and
 * nothing in it has to be compiled. The same sources give the same bytes.
 */
import { copyFileSync, existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';

/** Where the coordinator looks for it, below the root. */
export const AGENT_TARBALL = 'server/dist/agent.tgz';
/** The unit that runs it as a service, which the coordinator serves, too. */
const AGENT_UNIT = { from: 'deploy/rma-worker.service', to: 'server/dist/rma-worker.service' };

/** Our own packages that the agent imports: bundled, because no registry has them. */
const BUNDLED = ['protocol', 'peer'];

/** Compiled at installation, which a donor's machine need not be able to: what needs them is not offered there. */
const NEVER_INSTALLED = ['better-sqlite3-node20'];

/**
 * @typedef {Record<string, string>} Versions
 * @typedef {{name: string, version: string, description: string, license: string, engines?: Versions,
 *   dependencies?: Versions, optionalDependencies?: Versions, exports?: unknown}} Manifest
 * @typedef {{path: string, content: Buffer, executable?: boolean}} Entry `path` inside the tarball
 */

/** Writes what the coordinator serves of a built checkout. @param {string} root */
export function writeAgentPackage(root) {
  writeFileSync(join(root, AGENT_TARBALL), tarball(entries(root)));
  copyFileSync(join(root, AGENT_UNIT.from), join(root, AGENT_UNIT.to));
}

/**
 * The package.json of the tarball.
 * @param {Manifest} agent
 * @param {readonly Manifest[]} bundled our own packages that it brings along
 */
export function agentManifest(agent, bundled) {
  const { dependencies = {}, optionalDependencies = {} } = agent;
  const outside = [...bundled.map((manifest) => manifest.dependencies ?? {}), dependencies]
    .flatMap(Object.entries)
    .filter(([name]) => !name.startsWith('@rma/'));
  const optional = Object.entries(optionalDependencies).filter(([name]) => !NEVER_INSTALLED.includes(name));
  return {
    // npx runs the one command of a package, which its name agrees with.
    name: 'rma-worker',
    version: agent.version,
    description: agent.description,
    license: agent.license,
    type: 'module',
    engines: { node: '>=20.19' },
    bin: { 'rma-worker': 'bin/rma-worker.js' },
    dependencies: Object.fromEntries([...outside, ...bundled.map(({ name, version }) => [name, version])]),
    ...(optional.length > 0 ? { optionalDependencies: Object.fromEntries(optional) } : {}),
    bundleDependencies: bundled.map(({ name }) => name),
  };
}

/** @param {string} root @returns {Entry[]} */
function entries(root) {
  const manifestOf = (/** @type {string} */ folder) =>
    /** @type {Manifest} */ (JSON.parse(readFileSync(join(root, folder, 'package.json'), 'utf8')));
  const bundled = BUNDLED.map((folder) => ({ folder, manifest: manifestOf(folder) }));
  const agent = agentManifest(
    manifestOf('agent'),
    bundled.map(({ manifest }) => manifest),
  );
  return [
    { path: 'package/package.json', content: pretty(agent) },
    { path: 'package/LICENSE', content: readFileSync(join(root, 'LICENSE')) },
    {
      path: 'package/bin/rma-worker.js',
      content: readFileSync(join(root, 'agent/bin/rma-worker.js')),
      executable: true,
    },
    ...shipped(root, 'agent/dist', 'package/dist'),
    ...bundled.flatMap(({ folder, manifest }) => {
      const to = `package/node_modules/${manifest.name}`;
      // Its own dependencies are the package's, so that they are installed beside it, not below it.
      const { dependencies: _, ...plain } = manifest;
      return [{ path: `${to}/package.json`, content: pretty(plain) }, ...shipped(root, `${folder}/dist`, `${to}/dist`)];
    }),
  ];
}

/** @param {unknown} value */
function pretty(value) {
  return Buffer.from(`${JSON.stringify(value, null, 2)}\n`);
}

/** @param {string} root @param {string} from @param {string} to @returns {Entry[]} what a folder has for use, sorted */
function shipped(root, from, to) {
  if (!existsSync(join(root, from))) throw new Error(`${from} is missing: build first`);
  return readdirSync(join(root, from), { recursive: true, encoding: 'utf8' })
    .map((path) => path.replaceAll('\\', '/'))
    .filter((path) => (path.endsWith('.js') && !path.startsWith('bundle/')) || /^cmaps\/[^/]+$/.test(path))
    .sort()
    .map((path) => ({ path: `${to}/${path}`, content: readFileSync(join(root, from, path)) }));
}

const BLOCK = 512;
/** The time that npm's own packages carry, so that the bytes do not depend on when they were made. */
const EPOCH_S = Date.UTC(1985, 9, 26, 8, 15) / 1_000;

/** A gzipped archive in the ustar format of POSIX.1-1988. @param {readonly Entry[]} files */
export function tarball(files) {
  const blocks = files.flatMap((file) => {
    const rest = file.content.length % BLOCK;
    return [header(file), file.content, Buffer.alloc(rest === 0 ? 0 : BLOCK - rest)];
  });
  const zipped = gzipSync(Buffer.concat([...blocks, Buffer.alloc(2 * BLOCK)]), { level: 9 });
  // The byte that names the system on which it was made: unknown.
  zipped[9] = 255;
  return zipped;
}

/** @param {Entry} file */
function header({ path, content, executable = false }) {
  const { prefix, name } = splitPath(path);
  const block = Buffer.alloc(BLOCK);
  const octal = (/** @type {number} */ value, /** @type {number} */ digits) => value.toString(8).padStart(digits, '0');
  block.write(name, 0, 100);
  block.write(octal(executable ? 0o755 : 0o644, 7), 100);
  block.write(octal(0, 7), 108);
  block.write(octal(0, 7), 116);
  block.write(octal(content.length, 11), 124);
  block.write(octal(EPOCH_S, 11), 136);
  // The checksum counts its own field as blanks.
  block.write('        ', 148);
  block.write('0', 156);
  block.write('ustar\u000000', 257);
  block.write(prefix, 345, 155);
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${octal(sum, 6)}\0 `, 148);
  return block;
}

/** @param {string} path */
function splitPath(path) {
  if (Buffer.byteLength(path) <= 100) return { prefix: '', name: path };
  const at = path.indexOf('/', path.length - 101);
  const [prefix, name] = [path.slice(0, at), path.slice(at + 1)];
  if (at < 0 || Buffer.byteLength(prefix) > 155 || Buffer.byteLength(name) > 100) {
    throw new Error(`${path} is too long for a tar archive`);
  }
  return { prefix, name };
}
