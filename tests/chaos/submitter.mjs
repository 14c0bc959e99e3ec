// @ts-check
/**
 * The client of a chaos run, in a process of its own: submits the jobs of a file through the SDK as far as it is told to,
 * and writes down each promise that settles. Arguments: the coordinator's URL, a token's file, the jobs, the ledger.
 */
import { appendFileSync, readFileSync } from 'node:fs';
import { connect } from '@rma/client';

const [url = '', tokenFile = '', jobsFile = '', ledger = ''] = process.argv.slice(2);
const REPORT_MS = 20;

/** @type {import('./plan.mjs').Job[]} */
const jobs = JSON.parse(readFileSync(jobsFile, 'utf8'));
const client = connect({ url, token: readFileSync(tokenFile, 'utf8').trim() });
let submitted = 0;
let settled = 0;

/** @param {object} line */
const note = (line) => appendFileSync(ledger, `${JSON.stringify({ life: process.pid, ...line })}\n`);
const text = (/** @type {unknown} */ error) =>
  error instanceof Error ? `${error.name}: ${error.message}` : `${error}`;

/** @param {import('./plan.mjs').Job} job @param {import('@rma/client').TaskHandle} task */
async function follow({ input }, task) {
  const { n } = input;
  task.accepted.then(
    () => note({ n, what: 'accepted' }),
    (error) => note({ n, what: 'refused', error: text(error) }),
  );
  /** @type {number[][]} */
  const chunks = [];
  const streamed = input.chunks ? collect(task, chunks) : Promise.resolve();
  try {
    const result = await task.result();
    await streamed;
    note({ n, what: 'result', id: task.id, result, chunks });
  } catch (error) {
    note({ n, what: 'rejected', error: text(error) });
  }
  settled += 1;
}

/** @param {import('@rma/client').TaskHandle} task @param {number[][]} chunks */
async function collect(task, chunks) {
  for await (const { attempt, chunk, data } of task) {
    chunks.push([attempt, chunk, /** @type {{n: number}} */ (data).n]);
  }
}

process.on('message', async (/** @type {{submit?: number, leave?: true}} */ order) => {
  const { submit = 0, leave } = order;
  if (submit > submitted) {
    const wave = jobs.slice(submitted, submit);
    submitted = submit;
    const tasks = client.submitMany(wave);
    for (const [i, task] of tasks.entries()) void follow(/** @type {import('./plan.mjs').Job} */ (wave[i]), task);
  }
  if (!leave) return;
  clearInterval(reporting);
  await client.close();
  process.disconnect();
});
let reported = '';
const reporting = setInterval(() => {
  const report = { submitted, settled };
  if (reported === JSON.stringify(report)) return;
  reported = JSON.stringify(report);
  process.send?.(report);
}, REPORT_MS);
process.stdout.write('ready\n');
