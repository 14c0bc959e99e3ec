/** The short form of `npm run chaos`: the same processes, interruptions and audit. */
import { expect, it } from 'vitest';
import { runChaos } from './chaos-run.mjs';

const seed = Math.floor(Math.random() * 2 ** 31);

it.each([
  ['kills of coordinator and workers', { tasks: 600, coordinatorKills: 3, workerKills: 3, clientKills: 0 }],
  ['kills of the client, too', { tasks: 200, coordinatorKills: 1, workerKills: 1, clientKills: 2 }],
])(
  `every task ends exactly once, with its own output, and nothing is left behind, over %s (seed ${seed})`,
  { timeout: 120_000 },
  async (_, options) => {
    const outcome = await runChaos({ seed, workers: 2, timeoutMs: 100_000, ...options }, () => undefined);
    expect(outcome.faults, `data and logs are in ${outcome.directory}`).toEqual([]);
    expect(outcome.figures?.attempts).toBeGreaterThanOrEqual(options.tasks);
  },
);
