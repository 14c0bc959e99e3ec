#!/usr/bin/env node
// Starts what the build made: the bundle, which loads faster, unless the compiler ran alone since.
import { statSync } from 'node:fs';

const at = (path) => new URL(path, import.meta.url);
const time = (path) => statSync(at(path), { throwIfNoEntry: false })?.mtimeMs ?? -1;

const bundle = '../dist/bundle/rma.js';
const compiled = '../dist/cli/main.js';
const compiledAt = Math.max(
  time('../tsconfig.tsbuildinfo'),
  time('../../protocol/tsconfig.tsbuildinfo'),
  time('../../peer/tsconfig.tsbuildinfo'),
);
const main = time(bundle) > compiledAt ? bundle : compiled;
if (time(main) < 0) {
  process.stderr.write('rma: not built yet. Run `npm start` or `npm run build` at the root of the project first.\n');
  process.exit(1);
}
await import(at(main).href);
