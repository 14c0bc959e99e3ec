// @ts-check
/**
 * `node install-llama.mjs DIR PACKAGE`: installs node-llama-cpp into DIR with the one build for this platform (its optional
 * packages hold CUDA and Vulkan builds of 340 MB), and fails where it does not load. Files that run at once wait for each
 * other.
 */
import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { run } from '../../scripts/progress.mjs';
import { withLock } from '../../scripts/setup-lock.mjs';

const [directory = '', specifier = ''] = process.argv.slice(2);
const version = specifier.slice(specifier.lastIndexOf('@') + 1);
const { platform, arch } = process;
const system = /** @type {Record<string, string>} */ ({ darwin: 'mac', win32: 'win' })[platform] ?? platform;
const build = `@node-llama-cpp/${system}-${arch}${system === 'mac' && arch === 'arm64' ? '-metal' : ''}`;
const binary = join(directory, 'node_modules', build, 'package.json');
const library = join(directory, 'node_modules/node-llama-cpp/dist/index.js');

mkdirSync(directory, { recursive: true });
await withLock(
  `${directory}.lock`,
  async () => {
    if (existsSync(binary) && existsSync(library)) return;
    const options = ['--prefix', directory, '--ignore-scripts', '--omit=optional', '--no-audit', '--no-fund'];
    const packages = [specifier, `${build}@${version}`];
    const { code, output } = await run('npm', ['install', ...options, ...packages], { shell: platform === 'win32' });
    if (code !== 0) throw new Error(output);
  },
  () => undefined,
);
const { getLlama } = await import(pathToFileURL(library).href);
await getLlama({ gpu: false, build: 'never', skipDownload: true, progressLogs: false });
process.exit(0);
