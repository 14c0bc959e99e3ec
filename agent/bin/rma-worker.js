#!/usr/bin/env node
// Starts what the build made: the bundle, which loads faster, unless the compiler ran alone since.
import { statSync } from 'node:fs';

const at = (path) => new URL(path, import.meta.url);
const time = (path) => statSync(at(path), { throwIfNoEntry: false })?.mtimeMs ?? -1;

const bundle = '../dist/bundle/rma-worker.js';
const compiled = '../dist/cli/main.js';
const packages = ['agent', 'workloads', 'peer', 'protocol'];
const compiledAt = Math.max(...packages.map((name) => time(`../../${name}/tsconfig.tsbuildinfo`)));
const main = time(bundle) > compiledAt ? bundle : compiled;
if (time(main) < 0) {
  process.stderr.write(
    'rma-worker: not built yet. Run `npm start` or `npm run build` at the root of the project first.\n',
  );
  process.exit(1);
}
await import(at(main).href);
