/**
 * `npm run check [-- --no-tests]`: types, lint and format, import directions, tests. The cheap steps all run, so
 * that one run shows everything to fix; the tests run once those pass.
 */
import { join } from 'node:path';
import { compile, packages } from './build.mjs';
import { readImports, violations } from './imports.mjs';
import { elapsed, run, runMain, SetupError, say } from './progress.mjs';
import { ensureReady, root } from './setup.mjs';

/** @typedef {{name: string, cheap: boolean, work: () => Promise<string>}} Step `work` gives what is wrong, or nothing */

/** @type {Step[]} */
const steps = [
  { name: 'types', cheap: true, work: types },
  {
    name: 'lint and format',
    cheap: true,
    work: () => program('node_modules/@biomejs/biome/bin/biome', ['check', '.']),
  },
  { name: 'dashboard', cheap: true, work: dashboard },
  { name: 'import directions', cheap: true, work: async () => violations(await readImports(root)).join('\n') },
  { name: 'tests', cheap: false, work: () => program('scripts/test.mjs', [], { show: true }) },
];

await runMain(async () => {
  await ensureReady({ build: false });
  const wanted = process.argv.includes('--no-tests') ? steps.filter((step) => step.cheap) : steps;
  /** @type {string[]} */
  const failed = [];
  for (const { name, cheap, work } of wanted) {
    if (!cheap && failed.length > 0) {
      say(`- ${name}: not run, see above`);
      continue;
    }
    const start = Date.now();
    const problem = await work();
    say(`${problem === '' ? '✓' : '✗'} ${name} (${elapsed(start)})`);
    if (problem === '') continue;
    failed.push(name);
    say(`${problem}\n`);
  }
  say(
    failed.length === 0 ? 'All checks passed.' : `Failed: ${failed.join(', ')}. The first to look at is ${failed[0]}.`,
  );
  return failed.length === 0 ? 0 : 1;
});

async function types() {
  try {
    await compile(root, [...packages, 'scripts', 'tests']);
    return '';
  } catch (error) {
    if (error instanceof SetupError && error.exitCode === 1) return error.message;
    throw error;
  }
}

/** Types, markup and accessibility of the components. */
async function dashboard() {
  const cwd = join(root, 'dashboard');
  const sync = await run(process.execPath, [join(root, 'node_modules/@sveltejs/kit/svelte-kit.js'), 'sync'], { cwd });
  if (sync.code !== 0) return sync.output.trimEnd();
  const checker = join(root, 'node_modules/svelte-check/bin/svelte-check');
  const options = ['--tsconfig', './tsconfig.json', '--fail-on-warnings', '--output', 'human'];
  const { code, output } = await run(process.execPath, [checker, ...options], { cwd });
  return code === 0 ? '' : output.trimEnd();
}

/** @param {string} script @param {string[]} args @param {{show?: boolean}} [options] */
async function program(script, args, options = {}) {
  const { code, output } = await run(process.execPath, [script, ...args], { cwd: root, ...options });
  if (code === 0) return '';
  return output.trimEnd() || `${script} ended with status ${code}`;
}
