// @ts-check
/**
 * What must hold after a chaos run, each violation a sentence: what the SDK was told, the event log, the rows of the
 * database, the handlers' own notes, and what was left behind.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { Journal } from '@rma/agent/outbox/journal';
import { unpackLargeValue } from '@rma/peer/large-value';
import { openReader } from '@rma/server/store/sqlite';
import { outputOf } from './plan.mjs';

/**
 * @typedef {import('./plan.mjs').Job} Job
 * @typedef {import('@rma/client').PoolEvent} PoolEvent
 * @typedef {{life: number, n: number, what: 'accepted' | 'refused' | 'result' | 'rejected', error?: string, id?: string, result?: any, chunks?: number[][]}} Line
 * @typedef {{attempts: number, mostAttempts: number, requeued: Record<string, number>}} Figures
 */

/** Every submit settled exactly once in the client's last process, with the right output, and never differently in an earlier one. */
export function* auditLedger(/** @type {readonly Job[]} */ jobs, /** @type {readonly Line[]} */ lines) {
  const last = lines.at(-1)?.life;
  const counts = jobs.map(() => ({ accepted: 0, result: 0 }));
  /** @type {Map<number, unknown>} */
  const reported = new Map();
  for (const { life, n, what, error, id, result, chunks = [] } of lines) {
    const job = jobs[n];
    if (!job) yield `the ledger tells of a job ${n}, which there is not`;
    else if (what === 'refused' || what === 'rejected') yield `${job.id} was ${what}: ${error}`;
    else {
      const count = counts[n];
      if (count && life === last) count[what] += 1;
      if (what === 'accepted') continue;
      if (id !== job.id) yield `job ${n} is ${job.id}, and its result is of ${id}`;
      if (result.state !== 'succeeded') yield `${job.id} ${result.state}: ${JSON.stringify(result.error)}`;
      else if (!isDeepStrictEqual(result.output, outputOf(job))) yield `${job.id} gave another output than its own`;
      if (reported.has(n) && !isDeepStrictEqual(reported.get(n), result))
        yield `${job.id} was reported to have ended in two ways`;
      reported.set(n, result);
      yield* auditChunks(job, chunks, result.attempts);
    }
  }
  for (const [n, { accepted, result }] of counts.entries()) {
    if (accepted !== 1) yield `${jobs[n]?.id} was accepted ${accepted} times`;
    if (result !== 1) yield `${jobs[n]?.id} settled ${result} times`;
  }
}

/** Attempts only rise, each counts its chunks from 1 without a gap, and the last one is complete. */
function* auditChunks(
  /** @type {Job} */ { id, input },
  /** @type {number[][]} */ chunks,
  /** @type {number} */ attempts,
) {
  let [attempt, chunk] = [0, 0];
  for (const [of = 0, number = 0, n] of chunks) {
    if (of < attempt) yield `${id}: a chunk of attempt ${of} after one of ${attempt}`;
    if (of > attempt) [attempt, chunk] = [of, 0];
    chunk += 1;
    if (number !== chunk || n !== chunk) yield `${id}#${of}: chunk ${number} (${n}) came as number ${chunk}`;
  }
  const wanted = input.chunks ?? 0;
  if (wanted > 0 && (attempt !== attempts || chunk !== wanted)) {
    yield `${id} ended with attempt ${attempts} and ${wanted} chunks; ${chunk} of attempt ${attempt} came`;
  }
}

/**
 * One submission and one end a task, attempts in rising order, and no worker was given more than its slots.
 * @param {readonly Job[]} jobs
 * @param {readonly PoolEvent[]} events
 * @param {{workers: number, slots: Readonly<Record<string, number>>}} pool slots by kind
 * @returns {Generator<string, void, undefined>}
 */
export function* auditEvents(jobs, events, { workers, slots }) {
  const all = new Map(jobs.map(({ id, kind }) => [id, { kind, submitted: 0, ended: 0, attempt: 0 }]));
  /** @type {Map<string, Set<string>>} */
  const running = new Map();
  /** @type {Map<string, number>} */
  const worst = new Map();
  const free = (/** @type {string} */ id) => {
    for (const tasks of running.values()) tasks.delete(id);
  };
  let joined = 0;
  for (const [i, { seq, type, subject = '', data = {} }] of events.entries()) {
    if (seq !== i + 1) {
      yield `event ${i + 1} has the number ${seq}`;
      return;
    }
    if (type === 'worker.joined') joined += 1;
    if (!type.startsWith('task.')) continue;
    const task = all.get(subject);
    if (!task) {
      yield `an event tells of ${subject}, which nobody submitted`;
      continue;
    }
    if (type === 'task.submitted') task.submitted += 1;
    else if (type === 'task.requeued') free(subject);
    else if (type === 'task.dispatched') {
      if (data.attempt !== task.attempt + 1) yield `${subject}: attempt ${data.attempt} followed ${task.attempt}`;
      if (task.ended) yield `${subject} was dispatched after its end`;
      task.attempt = Number(data.attempt);
      const key = `${data.worker} ${task.kind}`;
      const tasks = running.get(key) ?? new Set();
      running.set(key, tasks.add(subject));
      worst.set(key, Math.max(worst.get(key) ?? 0, tasks.size));
    } else if (type === 'task.ended') {
      free(subject);
      task.ended += 1;
      if (data.attempt !== task.attempt) yield `${subject} ended with attempt ${data.attempt} of ${task.attempt}`;
    }
  }
  for (const [id, { submitted, ended }] of all) {
    if (submitted !== 1) yield `the event log has ${submitted} submissions of ${id}`;
    if (ended !== 1) yield `the event log has ${ended} ends of ${id}`;
  }
  for (const [key, most] of worst) {
    const limit = slots[key.split(' ')[1] ?? ''] ?? 0;
    if (most > limit) yield `${key}: ${most} tasks at once were given to ${limit} slots`;
  }
  if (joined !== workers) yield `${joined} workers joined; there were ${workers}`;
}

/**
 * One row a task, succeeded, with the right output; chunks of its last attempt only.
 * @param {string} data the coordinator's directory
 * @param {readonly Job[]} jobs
 * @returns {Promise<{faults: string[], figures: Figures}>}
 */
export async function auditRows(data, jobs) {
  const database = openReader(join(data, 'pool.db'));
  try {
    /** @type {string[]} */
    const faults = [];
    const rows = /** @type {any[]} */ (
      database.prepare('SELECT seq, id, kind, state, attempt, output, output_blobs FROM tasks').all()
    );
    const byId = new Map(rows.map((row) => [row.id, row]));
    if (rows.length !== jobs.length) faults.push(`${rows.length} rows for ${jobs.length} tasks`);
    const chunks = database.prepare('SELECT attempt, chunk FROM chunks WHERE seq = ? ORDER BY attempt, chunk');
    for (const job of jobs) {
      const row = byId.get(job.id);
      if (row?.state !== SUCCEEDED) {
        faults.push(`${job.id}: ${row ? `its row has the state ${row.state}` : 'has no row'}`);
        continue;
      }
      const blobs = row.output_blobs === null ? [] : JSON.parse(row.output_blobs);
      const output = await unpackLargeValue(row.output, blobs, async ({ $blob }) => readBlob(data, $blob));
      if (!isDeepStrictEqual(output, outputOf(job))) faults.push(`${job.id}: its row has another output than its own`);
      const stored = chunks.all(row.seq);
      const wanted = Array.from({ length: job.input.chunks ?? 0 }, (_, i) => ({ attempt: row.attempt, chunk: i + 1 }));
      if (!isDeepStrictEqual(stored, wanted)) {
        faults.push(`${job.id}: of attempt ${row.attempt} there are the chunks ${JSON.stringify(stored)}`);
      }
    }
    return { faults, figures: figuresOf(rows, database) };
  } finally {
    database.close();
  }
}

/** As in TASK_STATES. */
const SUCCEEDED = 3;

/** @param {{attempt: number}[]} rows @param {import('@rma/server/store/sqlite').Database} database @returns {Figures} */
function figuresOf(rows, database) {
  const lost = /** @type {{code: string, times: number}[]} */ (
    database.prepare('SELECT code, count(*) AS times FROM attempts GROUP BY code').all()
  );
  return {
    attempts: rows.reduce((sum, { attempt }) => sum + attempt, 0),
    mostAttempts: rows.reduce((most, { attempt }) => Math.max(most, attempt), 0),
    requeued: Object.fromEntries(lost.map(({ code, times }) => [code, times])),
  };
}

/** @param {string} data @param {string} hash @returns {Uint8Array} */
function readBlob(data, hash) {
  return new Uint8Array(readFileSync(join(data, 'blobs', hash.slice(0, 2), hash)));
}

/** By its handlers' own notes, no agent ran more than its slots at once. */
export function* auditRuns(/** @type {string} */ runs, /** @type {number} */ slots) {
  /** @type {Map<string, Set<string>>} */
  const busy = new Map();
  for (const line of runs.split('\n')) {
    const [what, agent = '', pid = '', n] = line.split(' ');
    const at = busy.get(agent) ?? new Set();
    busy.set(agent, at);
    if (what === 'end') at.delete(pid);
    else if (what === 'begin') {
      if (at.has(pid)) yield `handler process ${pid} of agent ${agent} began task ${n} before its last one ended`;
      at.add(pid);
      if (at.size > slots) yield `agent ${agent} ran ${at.size} tasks at once in ${slots} slots`;
    }
  }
}

const DATA_FILES = [
  ...['admin', 'client', 'join', 'local'].map((name) => `${name}.token`),
  ...['pool.db', 'pool.db-wal', 'pool.db-shm', 'lock.db', 'lock.txt', 'signing.key', 'reserve.bin', 'blobs'],
];
const STATE_FILES = ['key', 'worker.json', 'worker.yaml', 'outbox', 'blobs', 'scratch'];

/** Once all has been stopped in order, only what is to stay is there. */
export function* auditFiles(
  /** @type {string} */ data,
  /** @type {readonly string[]} */ states,
  /** @type {string} */ tmp,
) {
  yield* strangers(data, DATA_FILES);
  yield* strangers(join(data, 'blobs', 'parts'), []);
  yield* strangers(tmp, []);
  for (const state of states) {
    yield* strangers(state, STATE_FILES);
    for (const empty of ['blobs', 'scratch']) yield* strangers(join(state, empty), []);
    const { frames, damage } = Journal.read(join(state, 'outbox'));
    if (frames.length > 0) yield `${frames.length} records are left in the outbox of ${state}`;
    if (damage) yield `the outbox of ${state} is damaged: ${damage}`;
  }
}

function* strangers(/** @type {string} */ directory, /** @type {readonly string[]} */ known) {
  for (const name of existsSync(directory) ? readdirSync(directory) : []) {
    if (!known.includes(name)) yield `${join(directory, name)} was left behind`;
  }
}
