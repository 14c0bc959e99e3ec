/** The committed files that npm links as commands: what they start, and what they say where nothing is built. */
import { execFileSync, spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { bundle, bundles } from '../../scripts/bundle.mjs';
import { ROOT } from '../support/program.js';

const BINS = [
  { name: 'rma', folder: 'client', compiled: 'cli/main.js' },
  { name: 'rma-coordinator', folder: 'server', compiled: 'main.js' },
  { name: 'rma-worker', folder: 'agent', compiled: 'cli/main.js' },
  { name: 'rma-task-server', folder: 'workloads', compiled: 'task-server/main.js' },
];

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'rma-bins-'));
  writeFileSync(join(root, 'package.json'), '{"type": "module"}');
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

/** Times in seconds: what is built later is newer. */
function write(path: string, text: string, time: number): void {
  mkdirSync(dirname(join(root, path)), { recursive: true });
  writeFileSync(join(root, path), text);
  utimesSync(join(root, path), time, time);
}

describe.each(BINS)('$name', ({ name, folder, compiled }) => {
  const run = () => execFileSync(process.execPath, [join(root, folder, 'bin', `${name}.js`)], { encoding: 'utf8' });
  beforeEach(() => cpSync(join(ROOT, folder, 'bin'), join(root, folder, 'bin'), { recursive: true }));

  it('starts its bundle, and what the compiler wrote later instead', () => {
    write(`${folder}/dist/${compiled}`, "console.log('compiled')", 10);
    write(`${folder}/dist/bundle/${name}.js`, "console.log('bundle')", 20);
    write('protocol/tsconfig.tsbuildinfo', '', 12);
    expect(run()).toBe('bundle\n');
    write('protocol/tsconfig.tsbuildinfo', '', 25);
    expect(run()).toBe('compiled\n');
  });
});

describe('rma', () => {
  const rma = () => spawnSync(process.execPath, [join(root, 'client/bin/rma.js')], { encoding: 'utf8' });
  beforeEach(() => cpSync(join(ROOT, 'client/bin'), join(root, 'client/bin'), { recursive: true }));

  it('starts what is compiled where there is no bundle, and a bundle without a time, as some packagers leave it', () => {
    write('client/dist/cli/main.js', "console.log('compiled')", 10);
    expect(rma().stdout).toBe('compiled\n');
    rmSync(join(root, 'client/dist/cli'), { recursive: true });
    write('client/dist/bundle/rma.js', "console.log('bundle')", 0);
    expect(rma().stdout).toBe('bundle\n');
  });

  it('says how to build where nothing is built', () => {
    const { status, stderr } = rma();
    expect(status).toBe(1);
    expect(stderr).toBe('rma: not built yet. Run `npm start` or `npm run build` at the root of the project first.\n');
  });
});

it('bundles what stands beside a module by the place that it has as compiled', async () => {
  for (const { folder, compiled } of BINS) write(`${folder}/dist/${compiled}`, '', 10);
  write('client/dist/cli/beside.js', 'export const beside = () => import.meta.url;', 10);
  write(
    'client/dist/cli/beside.js.map',
    '{"version":3,"sources":["../../src/cli/beside.ts"],"names":[],"mappings":"AAAA"}',
    10,
  );
  write('client/dist/cli/main.js', "import { beside } from './beside.js';\nconsole.log(beside());", 10);
  expect(await bundle(root)).toBe(true);
  const [rma] = bundles(root);
  expect(rma).toBe(join(root, 'client/dist/bundle/rma.js'));
  const said = execFileSync(process.execPath, [rma!], { encoding: 'utf8' });
  expect(said.trim()).toBe(`file://${join(root, 'client/dist/cli/beside.js')}`);
});
