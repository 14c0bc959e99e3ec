// @ts-check
/**
 * `npm run chaos [-- OPTIONS]`: kills coordinator, workers and client with SIGKILL at random moments while tasks run, then
 * proves that every task ended exactly once, with its own output, and that nothing was left behind.
 */
import { parseArgs } from 'node:util';
import { runChaos } from './chaos-run.mjs';

const HELP = `Usage: npm run chaos -- [options]

  --tasks N               tasks to submit (default 5000)
  --coordinator-kills N   SIGKILLs of the coordinator (default 10)
  --worker-kills N        SIGKILLs of workers (default 10)
  --client-kills N        SIGKILLs of the submitting client, which submits the same ids again
                          (default: one run with none, and a second one with 5)
  --workers N             worker processes (default 2)
  --seed N                the same seed makes the same tasks and interruptions (default: random)
  --timeout SECONDS       of one run (default 300)
  --keep                  keep data and logs also of a run in which all went well`;

const MOST_FAULTS = 25;

const { values } = parseArgs({
  options: {
    tasks: { type: 'string', default: '5000' },
    'coordinator-kills': { type: 'string', default: '10' },
    'worker-kills': { type: 'string', default: '10' },
    'client-kills': { type: 'string' },
    workers: { type: 'string', default: '2' },
    seed: { type: 'string' },
    timeout: { type: 'string', default: '300' },
    keep: { type: 'boolean', default: false },
    help: { type: 'boolean', short: 'h', default: false },
  },
});
if (values.help) process.stdout.write(`${HELP}\n`);
else process.exitCode = await main();

async function main() {
  const seed = values.seed === undefined ? Math.floor(Math.random() * 2 ** 31) : count('seed', 0);
  for (const clientKills of values['client-kills'] === undefined ? [0, 5] : [count('client-kills', 0)]) {
    const isGood = await one({
      seed,
      tasks: count('tasks', 1),
      workers: count('workers', 1),
      coordinatorKills: count('coordinator-kills', 0),
      workerKills: count('worker-kills', 0),
      clientKills,
      timeoutMs: count('timeout', 1) * 1_000,
      keep: values.keep,
    });
    if (!isGood) return 1;
  }
  return 0;
}

/** @param {'seed' | 'tasks' | 'workers' | 'coordinator-kills' | 'worker-kills' | 'client-kills' | 'timeout'} name @param {number} least */
function count(name, least) {
  const text = values[name] ?? '';
  if (/^\d{1,10}$/.test(text) && Number(text) >= least) return Number(text);
  process.stderr.write(`--${name}: expected a whole number from ${least}, got '${text}'\n`);
  process.exit(2);
}

/** @param {import('./chaos-run.mjs').ChaosOptions} options */
async function one(options) {
  const { seed, tasks, workers, coordinatorKills, workerKills, clientKills } = options;
  const kills = `kills of the coordinator ${coordinatorKills}, of workers ${workerKills}, of the client ${clientKills}`;
  process.stdout.write(`seed ${seed}: ${tasks} tasks, ${workers} workers; ${kills}\n`);
  const isTerminal = process.stdout.isTTY === true;
  let lines = 0;
  const outcome = await runChaos(options, (text) => {
    if (isTerminal) process.stdout.write(`\r\u001b[2K  ${text}`);
    else if (lines++ % 5 === 0) process.stdout.write(`  ${text}\n`);
  });
  if (isTerminal) process.stdout.write('\r\u001b[2K');
  const { faults, directory, tookMs, longestStallMs, figures } = outcome;
  if (figures) {
    const requeued = Object.entries(figures.requeued).map(([code, times]) => `${times} ${code}`);
    process.stdout.write(
      `  ${seconds(tookMs)} s, ${Math.round(tasks / (tookMs / 1_000))} tasks a second, ` +
        `longest stall ${seconds(longestStallMs)} s\n` +
        `  ${figures.attempts} attempts, at most ${figures.mostAttempts} a task; requeued: ${requeued.join(', ') || 'none'}\n`,
    );
  }
  if (faults.length === 0) {
    process.stdout.write('  good: every task ended exactly once, with its own output; nothing was left behind\n');
    if (options.keep) process.stdout.write(`  kept: ${directory}\n`);
    return true;
  }
  for (const fault of faults.slice(0, MOST_FAULTS)) process.stdout.write(`  BROKEN: ${fault}\n`);
  if (faults.length > MOST_FAULTS) process.stdout.write(`  and ${faults.length - MOST_FAULTS} more\n`);
  process.stdout.write(`  Data, logs, plan and ledger are kept in ${directory}; once more: --seed ${seed}\n`);
  return false;
}

/** @param {number} ms */
function seconds(ms) {
  return (ms / 1_000).toFixed(1);
}
