/** docs/dependencies.md tells of every package that the project depends on, in the version that is installed. */
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';

type Manifest = Partial<Record<'dependencies' | 'devDependencies' | 'optionalDependencies', Record<string, string>>>;

const read = (path: string) => readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8');
const page = read('docs/dependencies.md');

it.each(['.', 'protocol', 'peer', 'workloads', 'server', 'agent', 'client', 'dashboard'])(
  'tells of the dependencies of %s',
  (folder) => {
    const manifest = JSON.parse(read(`${folder}/package.json`)) as Manifest;
    const all = { ...manifest.dependencies, ...manifest.devDependencies, ...manifest.optionalDependencies };
    const missing = Object.entries(all)
      .filter(([name]) => !name.startsWith('@rma/'))
      .map(([name, spec]) => {
        const alias = /^npm:(.+)@(.+)$/.exec(spec);
        return alias === null ? `${name} ${spec}` : `${name} (${alias[1]} ${alias[2]})`;
      })
      .filter((entry) => !page.includes(entry));
    expect(missing).toEqual([]);
  },
);
