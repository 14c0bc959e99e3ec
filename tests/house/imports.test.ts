/** The sources keep to the table of import directions, and the check finds what the table forbids. */
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { readImports, type Sources, violations } from '../../scripts/imports.mjs';

const root = fileURLToPath(new URL('../..', import.meta.url));

function check(file: string, specifier: string): string[] {
  const declared = ['typebox', 'ws', 'yaml', 'better-sqlite3'];
  const sources: Sources = {
    imports: [{ file, line: 3, specifier }],
    declared: {
      protocol: declared,
      peer: declared,
      workloads: declared,
      server: declared,
      agent: declared,
      client: declared,
    },
  };
  return violations(sources);
}

it('every import in the packages keeps to the table', async () => {
  const sources = await readImports(root);
  expect(sources.imports.length).toBeGreaterThan(50);
  expect(violations(sources)).toEqual([]);
});

it.each([
  ['protocol/src/task.ts', '@rma/server/core/step'],
  ['protocol/src/task.ts', 'node:fs'],
  ['client/src/pool.ts', 'node:net'],
  ['client/src/pool.ts', 'ws'],
  ['peer/src/connection.ts', 'ws'],
  ['peer/src/connection.ts', '@rma/client/client'],
  ['agent/src/main.ts', '@rma/client'],
  ['agent/src/main.ts', '../../protocol/src/task.js'],
  ['agent/src/main.ts', 'typescript'],
  ['server/src/coordinator.ts', '@rma/workloads/runtime'],
  ['workloads/src/host/service.ts', '@rma/agent/log'],
  ['workloads/src/ner/manifest.ts', './handlers.js'],
  ['workloads/src/ner/manifest.ts', 'typebox'],
  ['server/src/core/step.ts', '../runtime/loop.js'],
  ['server/src/core/step.ts', '../store/store.js'],
  ['server/src/core/step.ts', 'typebox'],
  ['server/src/core/step.ts', 'node:crypto'],
  ['server/src/runtime/loop.ts', '../store/sqlite.js'],
  ['server/src/store/tasks.ts', '../http/routes.js'],
  ['server/src/store/tasks.ts', 'better-sqlite3'],
  ['server/src/socket/ws-http.ts', 'ws'],
  ['server/src/http/routes.ts', 'yaml'],
])('%s may not import %s', (file, specifier) => {
  const found = check(file, specifier);
  expect(found).toHaveLength(1);
  expect(found[0]).toMatch(`${file}:3 imports ${specifier}: `);
});

it.each([
  ['protocol/src/task.ts', 'typebox'],
  ['client/src/cli/submit.ts', 'node:fs'],
  ['peer/src/socket-node.ts', 'ws'],
  ['peer/src/connection.ts', '#socket'],
  ['agent/src/main.ts', '@rma/peer/session'],
  ['agent/src/main.ts', '@rma/protocol/task'],
  ['agent/src/main.ts', '@rma/workloads/host/embedded-runtime'],
  ['server/src/coordinator.ts', '@rma/workloads/manifests'],
  ['workloads/src/rag/manifest.ts', '../manifest.js'],
  ['server/src/core/step.ts', '@rma/protocol/task'],
  ['server/src/runtime/loop.ts', '../core/step.js'],
  ['server/src/runtime/loop.ts', '../store/store.js'],
  ['server/src/store/sqlite.ts', 'better-sqlite3'],
  ['server/src/config.ts', 'yaml'],
  ['server/src/main.ts', './http/routes.js'],
])('%s may import %s', (file, specifier) => {
  expect(check(file, specifier)).toEqual([]);
});
