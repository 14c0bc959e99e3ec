// @ts-check
/**
 * `node tests/compat/make-database.mjs COMMIT`: fills a pool with the bundles of fixtures/COMMIT, kills coordinator and
 * agent with SIGKILL while tasks run and commits are in the journal alone, and keeps what is on disk then as
 * fixtures/COMMIT/pool and /worker, and what the SDK was promised in promised.json.
 */
import { spawn } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { openReader } from '@rma/server/store/sqlite';

const [commit = ''] = process.argv.slice(2);
const fixture = fileURLToPath(new URL(`fixtures/${commit}`, import.meta.url));
/** Of the coordinator's directory; no lock, no shared memory and no reserve. */
const DATA_FILES = [
  ...['pool.db', 'pool.db-wal', 'blobs', 'signing.key'],
  ...['admin.token', 'client.token', 'join.token'],
];
/** Of the agent's state directory. */
const WORKER_FILES = ['key', 'worker.json', 'outbox'];

/** So much is in the journal alone, at least, when the coordinator is killed: it brings the tables up to date ten times a second. */
const JOURNAL_BYTES = 8_192;
const BATCH = 8;
const LATE_MS = 40_000;

const work = mkdtempSync(join(tmpdir(), 'rma-compat-'));
/** @typedef {import('node:child_process').ChildProcess} Child */
/** @type {Child[]} */
const children = [];
try {
  await main();
} finally {
  for (const child of children) child.kill('SIGKILL');
  rmSync(work, { recursive: true, force: true });
}

async function main() {
  /** @type {typeof import('@rma/client')} */
  const { connect } = await import(pathToFileURL(join(fixture, 'sdk.mjs')).href);
  const data = join(work, 'data');
  const coordinator = start(
    'coordinator.mjs',
    '--data',
    data,
    '--port',
    '0',
    '--transport',
    'ws',
    '--log-level',
    'warn',
  );
  const url = await lineOf(coordinator, /^listening on (\S+)$/);
  const token = (/** @type {string} */ name) => readFileSync(join(data, `${name}.token`), 'utf8').trim();
  const state = join(work, 'worker');
  const where = ['--url', url, '--token-file', join(data, 'join.token'), '--state', state];
  const options = ['--only', 'echo', '--engine', 'none', '--no-detect', '--log-level', 'warn'];
  const agent = start('agent.mjs', ...where, ...options);
  const client = connect({ url, token: token('client') });
  while (!(await client.workers()).some(({ services }) => services.some((one) => one.state === 'healthy')))
    await sleep(50);

  /** @type {{id: string, state: string, input?: unknown, chunks?: number}[]} */
  const promised = [];
  const submit = (/** @type {any} */ input, options = {}) => client.submit('echo', input, options);

  const ended = Array.from({ length: 30 }, (_, n) => submit({ n }));
  ended.push(...Array.from({ length: 4 }, (_, n) => submit({ n, chunks: 3, delayMs: 50 })));
  ended.push(submit({ n: 99, text: 'a large text '.repeat(6_000) }));
  ended.push(submit({ fail: 'on purpose', retryable: false }));
  ended.push(submit({ expires: true }, { constraints: { labels: { room: 'nowhere' } }, ttlMs: 1 }));
  const cancelled = submit({ cancelled: true, delayMs: 60_000 });
  await cancelled.accepted;
  await cancelled.cancel();
  for (const task of [...ended, cancelled]) {
    const { state, output } = /** @type {any} */ (await task.result());
    promised.push({ id: task.id, state, ...(state === 'succeeded' ? { input: output } : {}) });
  }

  const waiting = Array.from({ length: 40 }, (_, n) => {
    return submit({ n }, { constraints: { labels: { room: 'later' } }, priority: n % 3 });
  });
  const scheduled = [submit({ later: true }, { notBefore: new Date(Date.UTC(2100, 0)) })];
  const running = Array.from({ length: 6 }, (_, n) =>
    submit({ n, delayMs: 3_600_000, chunks: 7_200 }, { timeoutMs: 86_400_000 }),
  );
  for (const task of [...waiting, ...scheduled, ...running]) await task.accepted;
  for (const { id } of waiting) promised.push({ id, state: 'queued' });
  for (const { id } of scheduled) promised.push({ id, state: 'scheduled' });
  // Its result comes once there is no coordinator any more, and stays in the outbox.
  const late = submit({ late: true, delayMs: LATE_MS });
  await late.accepted;
  const lateAt = performance.now() + LATE_MS;
  const chunks = await Promise.all(running.map(threeChunks));
  for (const [i, { id }] of running.entries()) promised.push({ id, state: 'running', chunks: chunks[i] ?? 0 });

  // In small batches, so that many turns commit: until the journal holds a lot that the tables do not have.
  const openJournal = openReader(join(data, 'pool.db'));
  const journal = openJournal.prepare('SELECT sum(length(operations)) FROM journal').pluck();
  let isOver = false;
  const submitOnAndOn = async (/** @type {number} */ lane) => {
    for (let n = 0; !isOver; n += 1) {
      const tasks = Array.from({ length: BATCH }, (_, i) => submit({ lane, n, i }));
      await Promise.all(tasks.map(follow));
    }
  };
  const follow = async (/** @type {import('@rma/client').TaskHandle} */ task) => {
    await task.accepted;
    const promise = { id: task.id, state: 'accepted' };
    promised.push(promise);
    const { state, output } = /** @type {any} */ (await task.result());
    Object.assign(promise, { state, input: output });
  };
  const ends = new Promise((resolve) => coordinator.once('exit', resolve));
  void Promise.allSettled(Array.from({ length: 4 }, (_, lane) => submitOnAndOn(lane)));
  const looking = setInterval(() => {
    if (Number(journal.get()) < JOURNAL_BYTES) return;
    // Stopped, so that it cannot bring the tables up to date between the check and the kill.
    coordinator.kill('SIGSTOP');
    if (Number(journal.get()) < JOURNAL_BYTES) {
      coordinator.kill('SIGCONT');
      return;
    }
    isOver = true;
    coordinator.kill('SIGKILL');
    clearInterval(looking);
  }, 2);
  await ends;
  openJournal.close();
  await sleep(200);
  promised.push({ id: late.id, state: 'reported', input: { late: true, delayMs: LATE_MS } });
  const promises = structuredClone(promised);
  if (performance.now() > lateAt) throw new Error('the coordinator got every result before it was killed: try again');
  await sleep(lateAt + 2_000 - performance.now());
  agent.kill('SIGKILL');
  await client.close();

  for (const name of DATA_FILES) copy(join(data, name), join(fixture, 'pool', name));
  for (const name of WORKER_FILES) copy(join(state, name), join(fixture, 'worker', name));
  writeFileSync(join(fixture, 'promised.json'), `${promises.map((one) => JSON.stringify(one)).join('\n')}\n`);
  /** @type {Map<string, number>} */
  const states = new Map();
  for (const { state } of promises) states.set(state, (states.get(state) ?? 0) + 1);
  for (const [state, count] of states) process.stdout.write(`${count} ${state}\n`);
}

/** @param {import('@rma/client').TaskHandle} task @returns {Promise<number>} the number of the last one that came */
async function threeChunks(task) {
  for await (const { chunk } of task) if (chunk >= 3) return chunk;
  throw new Error(`${task.id} ended`);
}

/** @param {string} script @param {string[]} args */
function start(script, ...args) {
  const child = spawn(process.execPath, [join(fixture, script), ...args], { stdio: ['ignore', 'pipe', 'inherit'] });
  children.push(child);
  return child;
}

/** @param {Child} child @param {RegExp} pattern @returns {Promise<string>} its first group, in the first line that matches */
async function lineOf({ stdout }, pattern) {
  if (stdout === null) throw new Error('no output to read');
  for await (const line of createInterface(stdout)) {
    const found = pattern.exec(line)?.[1];
    if (found !== undefined) return found;
  }
  throw new Error(`it ended without a line like ${pattern}`);
}

/** @param {string} from @param {string} to */
function copy(from, to) {
  rmSync(to, { recursive: true, force: true });
  mkdirSync(join(to, '..'), { recursive: true });
  cpSync(from, to, { recursive: true });
}
