/**
 * `npm run bench [-- OPTIONS]`: sets up, builds and runs the benchmarks. Options go to bench/throughput.mjs.
 */
import { run, runMain } from './progress.mjs';
import { ensureReady, root } from './setup.mjs';

await runMain(async () => {
  await ensureReady();
  const args = ['bench/throughput.mjs', ...process.argv.slice(2)];
  return (await run(process.execPath, args, { cwd: root, show: true })).code;
});
