/**
 * `npm run bench [-- [scale] [OPTIONS]]`: sets up, builds and runs a benchmark: bench/throughput.mjs or, with `scale`,
 * bench/scale.mjs, to which the options go.
 */
import { run, runMain } from './progress.mjs';
import { ensureReady, root } from './setup.mjs';

await runMain(async () => {
  await ensureReady();
  const [first, ...rest] = process.argv.slice(2);
  const args = first === 'scale' ? ['bench/scale.mjs', ...rest] : ['bench/throughput.mjs', ...process.argv.slice(2)];
  return (await run(process.execPath, args, { cwd: root, show: true })).code;
});
