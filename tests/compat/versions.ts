/** The programs of this tree, and those of an earlier commit that stand as bundles in fixtures/: see README.md. */
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { ROOT } from '../support/program.js';

export interface Version {
  readonly name: string;
  /** Scripts below the root. */
  readonly coordinator: string;
  readonly agent: string;
  /** What `import` takes for the SDK. */
  readonly sdk: string;
}

/** The commit whose programs stay peers. */
export const EARLIER = 'caf0132';

/** Its folder, below the root. */
export const FIXTURE = `tests/compat/fixtures/${EARLIER}`;

export const today: Version = {
  name: 'today',
  coordinator: 'server/bin/rma-coordinator.js',
  agent: 'agent/bin/rma-worker.js',
  sdk: '@rma/client',
};

export const earlier: Version = {
  name: EARLIER,
  coordinator: `${FIXTURE}/coordinator.mjs`,
  agent: `${FIXTURE}/agent.mjs`,
  sdk: pathToFileURL(join(ROOT, FIXTURE, 'sdk.mjs')).href,
};
