#!/usr/bin/env node
import { existsSync } from 'node:fs';

const main = new URL('../dist/task-server/main.js', import.meta.url);
if (!existsSync(main)) {
  process.stderr.write(
    'rma-task-server: not built yet. Run `npm start` or `npm run build` at the root of the project first.\n',
  );
  process.exit(1);
}
await import(main.href);
