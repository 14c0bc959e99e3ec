/** What documents say about the tree is there: files, folders, the functions of each hop, and what links lead to. */
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import { brokenLinks, faultsOf, referencesIn } from './references.js';

const root = fileURLToPath(new URL('../..', import.meta.url));
const read = (path: string) => readFileSync(join(root, path), 'utf8');

it.each(['CONTRIBUTING.md', 'docs/walkthrough.md', 'docs/architecture.md', 'docs/dependencies.md'])(
  'every file, folder and function that %s names exists',
  (document) => {
    expect(faultsOf(root, document, read(document))).toEqual([]);
  },
);

it('the walkthrough names a function for each hop', () => {
  const hops = referencesIn(read('docs/walkthrough.md')).filter(({ name }) => name !== undefined);
  expect(hops.length).toBeGreaterThan(50);
});

const markdownIn = (folder: string) =>
  readdirSync(join(root, folder))
    .filter((name) => name.endsWith('.md'))
    .map((name) => join(folder, name));

it.each([...markdownIn('.'), ...markdownIn('docs')])('every relative link of %s leads somewhere', (document) => {
  expect(brokenLinks(root, dirname(document), document, read(document))).toEqual([]);
});

describe('a reference', () => {
  const tree = mkdtempSync(join(tmpdir(), 'rma-docs-'));
  mkdirSync(join(tree, 'server/src/core'), { recursive: true });
  mkdirSync(join(tree, 'client/src'), { recursive: true });
  writeFileSync(
    join(tree, 'server/src/core/step.ts'),
    'export function step() { return inner.used; }\nclass Loop { #turn() {} size = 1; }\nconst run = () => step();\n',
  );
  writeFileSync(join(tree, 'client/src/submit.ts'), 'export const submit = 1;\n');
  afterAll(() => rmSync(tree, { recursive: true, force: true }));

  it('is found by file and declaration, or told with where it is now', () => {
    const text = [
      '`server/src/core/step.ts#step`, `core/step.ts#turn`, `core/step.ts#size` and `core/step.ts#run`',
      '`server/src/core/step.ts#used` is used there and not declared',
      '`server/src/core/step.ts#submit` moved, and `core/submit.ts` too; `core/none/` never was',
      '`server/src/core/`, `/api/tasks`, `text/plain`, `core/NAME.ts`, `server/dist/core/x.js` and `data/` are nobody’s fault',
    ].join('\n');
    expect(faultsOf(tree, 'a.md', text)).toEqual([
      'a.md:2: `server/src/core/step.ts#used`: server/src/core/step.ts declares no used',
      'a.md:3: `server/src/core/step.ts#submit`: server/src/core/step.ts declares no submit (now in client/src/submit.ts?)',
      'a.md:3: `core/submit.ts`: there is no core/submit.ts (now in client/src/submit.ts?)',
      'a.md:3: `core/none/`: there is no core/none/',
    ]);
  });

  it('is a link to a file, or to a heading of one', () => {
    writeFileSync(join(tree, 'b.md'), '# One, and two\n');
    const text =
      '[1](b.md) [2](b.md#one-and-two) [3](b.md#three) [4](c.md) [5](https://example.org/x.md) [6](#here)\n## Here';
    writeFileSync(join(tree, 'a.md'), text);
    expect(brokenLinks(tree, '.', 'a.md', text)).toEqual([
      'a.md: (b.md#three) leads to no heading',
      'a.md: (c.md) leads to no file',
    ]);
  });
});
