/** CONTRIBUTING's layout names every folder: each at the root, and each directly below a package's `src`. */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';

const root = fileURLToPath(new URL('../..', import.meta.url));
/** Not of the tree: dependencies, what builds make, and what a run leaves. */
const IGNORED = new Set(['node_modules', 'dist', 'build', 'data', 'coverage']);

function foldersIn(path: string): string[] {
  return readdirSync(join(root, path), { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && !entry.name.startsWith('.') && !IGNORED.has(entry.name))
    .map(({ name }) => (path === '' ? name : `${path}/${name}`));
}

/** A package stands for its sources, with each folder in them; another folder for itself. */
function expected(): string[] {
  return foldersIn('').flatMap((folder) => {
    if (!foldersIn(folder).includes(`${folder}/src`)) return [folder];
    const beside = foldersIn(folder).filter((other) => !['src', 'bin'].includes(other.slice(folder.length + 1)));
    return [`${folder}/src`, ...foldersIn(`${folder}/src`), ...beside];
  });
}

/** The first cell of each row of the table below the heading *Layout*. `FOLDER/*` stands for all folders in it. */
function listed(): string[] {
  const text = readFileSync(join(root, 'CONTRIBUTING.md'), 'utf8');
  const section = text.split('\n## Layout\n')[1]?.split('\n## ')[0] ?? '';
  return [...section.matchAll(/^\| `([^`]+)` \|/gm)].map(([, folder = '']) => folder);
}

it('names every folder, once', () => {
  const rows = listed();
  expect(rows.length, 'the table of ## Layout was not found').toBeGreaterThan(20);
  expect(rows.filter((row, i) => rows.indexOf(row) !== i)).toEqual([]);
  const isNamed = (folder: string) => rows.includes(folder) || rows.includes(`${dirname(folder)}/*`);
  const missing = expected().filter((folder) => !isNamed(folder));
  expect(missing, 'folders without a row in the table of CONTRIBUTING.md, ## Layout').toEqual([]);
});

it('names no folder that is not there', () => {
  const gone = listed().filter((row) => {
    const folder = join(root, row.replace(/\/\*$/, ''));
    return !statSync(folder, { throwIfNoEntry: false })?.isDirectory();
  });
  expect(gone, 'rows of CONTRIBUTING.md, ## Layout, whose folder is gone').toEqual([]);
});
