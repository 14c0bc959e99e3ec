/** A release on a git repository of its own: all of it or nothing, and the version wherever it is stated. */
import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { planRelease, release, releaseNotes } from '../../scripts/release.mjs';

const root = fileURLToPath(new URL('../..', import.meta.url));
const CHANGELOG =
  '# Changelog\n\n## [Unreleased]\n\n### Added\n\n- A thing.\n\n## [0.1.0] - 2026-11-22\n\nThe first.\n';
/** Green where SDK and package agree and nobody asks for red. */
const CHECK = `import { existsSync, readFileSync } from 'node:fs';
const { version } = JSON.parse(readFileSync('package.json', 'utf8'));
process.exit(readFileSync('client/src/version.ts', 'utf8').includes(version) && !existsSync('../red') ? 0 : 1);
`;

let scratch: string;
let tree: string;
const git = (...args: string[]) => execFileSync('git', args, { cwd: tree, encoding: 'utf8' }).trimEnd();
const read = (path: string) => readFileSync(join(tree, path), 'utf8');
const write = (path: string, content: unknown) => {
  mkdirSync(dirname(join(tree, path)), { recursive: true });
  writeFileSync(join(tree, path), typeof content === 'string' ? content : `${JSON.stringify(content, null, 2)}\n`);
};
const run = (version: string, dryRun = false) => release({ tree, version, date: '2026-12-01', dryRun });

beforeEach(() => {
  scratch = mkdtempSync(join(tmpdir(), 'rma-release-'));
  tree = join(scratch, 'tree');
  const dependencies = { '@x/protocol': '0.1.0', other: '0.1.0' };
  const workspaces = ['protocol', 'client'];
  write('package.json', { name: 'x', version: '0.1.0', workspaces, scripts: { check: 'node check.mjs' } });
  write('protocol/package.json', { name: '@x/protocol', version: '0.1.0' });
  write('client/package.json', { name: '@x/client', version: '0.1.0', dependencies });
  write('client/src/version.ts', "export const CLIENT_VERSION = '0.1.0';\n");
  write('package-lock.json', {
    version: '0.1.0',
    packages: {
      '': { version: '0.1.0' },
      client: { version: '0.1.0', dependencies },
      protocol: { version: '0.1.0' },
      'node_modules/other': { version: '0.1.0' },
    },
  });
  write('CHANGELOG.md', CHANGELOG);
  write('check.mjs', CHECK);
});

afterEach(() => rmSync(scratch, { recursive: true, force: true }));

function makeRepository(): void {
  git('init', '--quiet', '--initial-branch', 'main');
  git('config', 'user.name', 'Nobody');
  git('config', 'user.email', 'nobody@example.org');
  git('add', '.');
  git('commit', '--quiet', '--message', 'Begin');
}

describe('a release', () => {
  beforeEach(makeRepository);

  it('sets the version everywhere, moves the notes, commits and tags what was checked', async () => {
    await run('0.2.0');
    expect(git('status', '--porcelain')).toBe('');
    expect(git('log', '--format=%s')).toBe('Release 0.2.0\nBegin');
    expect(git('cat-file', '-p', 'v0.2.0')).toContain('RMA Pool 0.2.0\n\nAdded\n\n- A thing.');
    expect(git('rev-parse', 'v0.2.0^{commit}')).toBe(git('rev-parse', 'HEAD'));
    expect(read('client/src/version.ts')).toContain("'0.2.0'");
    const dependencies = { '@x/protocol': '0.2.0', other: '0.1.0' };
    expect(JSON.parse(read('client/package.json'))).toEqual({ name: '@x/client', version: '0.2.0', dependencies });
    expect(JSON.parse(read('package-lock.json'))).toEqual({
      version: '0.2.0',
      packages: {
        '': { version: '0.2.0' },
        client: { version: '0.2.0', dependencies },
        protocol: { version: '0.2.0' },
        'node_modules/other': { version: '0.1.0' },
      },
    });
    expect(read('CHANGELOG.md')).toBe(
      CHANGELOG.replace('## [Unreleased]\n', '## [Unreleased]\n\n## [0.2.0] - 2026-12-01\n'),
    );
    await expect(run('0.3.0')).rejects.toThrow('nothing under [Unreleased]');
  });

  it('only says what it would do with --dry-run', async () => {
    await run('0.2.0', true);
    expect(git('status', '--porcelain')).toBe('');
    expect(git('log', '--format=%s')).toBe('Begin');
    expect(git('tag')).toBe('');
  });

  it('leaves the tree as it was where the check is red', async () => {
    writeFileSync(join(scratch, 'red'), '');
    await expect(run('0.2.0')).rejects.toThrow('npm run check failed');
    expect(git('status', '--porcelain')).toBe('');
    expect(git('log', '--format=%s')).toBe('Begin');
    expect(git('tag')).toBe('');
  });

  it('is refused on a tree with changes, for a tag that exists, and where a file states another version', async () => {
    write('stray.txt', '');
    await expect(run('0.2.0')).rejects.toThrow('the tree is not clean; commit or put away first:\n?? stray.txt');
    rmSync(join(tree, 'stray.txt'));
    git('tag', 'v0.2.0');
    await expect(run('0.2.0')).rejects.toThrow('the tag v0.2.0 exists already');
    write('client/src/version.ts', "export const CLIENT_VERSION = '0.0.1';\n");
    await expect(run('0.3.0')).rejects.toThrow("client/src/version.ts does not state '0.1.0'");
  });
});

it.each(['0.1.0', '0.0.9', 'v0.2.0', '0.2', '01.0.0'])('refuses the version %s', (version) => {
  expect(() => planRelease(tree, version, '2026-12-01')).toThrow(/is not higher than 0\.1\.0|is no version/);
});

it('moves notes also where they are the first', () => {
  expect(releaseNotes('## [Unreleased]\n\n- A.\n', '0.1.0', '2026-11-22').text).toBe(
    '## [Unreleased]\n\n## [0.1.0] - 2026-11-22\n\n- A.\n',
  );
});

it('fits this tree: every package of it, the lock file and the SDK', () => {
  const { workspaces } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { workspaces: string[] };
  const paths = ['package.json', ...workspaces.map((folder) => `${folder}/package.json`), 'package-lock.json'];
  for (const path of [...paths, 'client/src/version.ts']) cpSync(join(root, path), join(tree, path));
  const { before, edits } = planRelease(tree, '999.0.0', '2026-12-01');
  expect(edits.map(({ path }) => path)).toEqual([...paths, 'client/src/version.ts', 'CHANGELOG.md']);
  for (const { path, text } of edits.filter((edit) => edit.path.endsWith('/package.json'))) {
    expect(JSON.parse(text), path).toMatchObject({ version: '999.0.0' });
    expect(text.includes(`"@rma/protocol": "${before}"`), path).toBe(false);
  }
});
