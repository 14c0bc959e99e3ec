/**
 * The build inside a Dockerfile, where dependencies are installed already: all packages and the agent's tarball, or
 * (`dashboard`) the dashboard alone, in a stage that has its tools.
 */
import { buildDashboard, buildPackages } from './build.mjs';
import { phase, runMain } from './progress.mjs';
import { root } from './setup.mjs';

await runMain(async () => {
  const onlyDashboard = process.argv[2] === 'dashboard';
  await phase('building', async () => {
    await (onlyDashboard ? buildDashboard(root) : buildPackages(root));
  });
  return 0;
});
