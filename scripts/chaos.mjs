/**
 * `npm run chaos [-- OPTIONS]`: sets up, builds and runs the long chaos run, which kills coordinator and worker while tasks run. Options go to tests/chaos/run.mjs.
 */
import { run, runMain } from './progress.mjs';
import { ensureReady, root } from './setup.mjs';

await runMain(async () => {
  await ensureReady();
  const args = ['tests/chaos/run.mjs', ...process.argv.slice(2)];
  return (await run(process.execPath, args, { cwd: root, show: true })).code;
});
