/** The build inside a Dockerfile, where dependencies are installed already: all packages, and the agent's tarball. */
import { build } from './build.mjs';
import { phase, runMain } from './progress.mjs';
import { root } from './setup.mjs';

await runMain(async () => {
  await phase('building', () => build(root));
  return 0;
});
