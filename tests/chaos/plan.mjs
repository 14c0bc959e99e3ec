// @ts-check
/**
 * What a chaos run does, made from its seed: the tasks what each has to return, and which process is interrupted when. Pure; only
 * the tasks' ids are new in each run.
 */
import { createHash } from 'node:crypto';
import { newTaskId } from '@rma/client/task-id';

/**
 * @typedef {object} Options
 * @property {number} seed
 * @property {number} tasks
 * @property {number} workers
 * @property {number} coordinatorKills
 * @property {number} workerKills
 * @property {number} clientKills
 *
 * @typedef {{n: number, text: string, delayMs?: number, chunks?: number}} Input
 * @typedef {{id: string, kind: 'echo' | 'chaos.digest', input: Input}} Job `input.n` is its place in the list
 *
 * @typedef {'coordinator' | 'client' | `worker-${number}`} Victim
 * @typedef {object} Interruption
 * @property {Victim} victim
 * @property {'SIGKILL' | 'SIGTERM'} signal
 * @property {number} work tasks that end between the interruption before and this one, as a share of one interruption's part of all
 * @property {number} waitMs and then so long
 */

/** Beside the kills there are orderly stops: one for so many kills. */
const KILLS_A_STOP = 5;

/** @param {number} seed @returns {() => number} numbers from 0 to below 1, the same for the same seed (mulberry32) */
export function randomFrom(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** @param {Options} options @returns {Job[]} */
export function makeJobs({ seed, tasks }) {
  const random = randomFrom(seed);
  return Array.from({ length: tasks }, (_, n) => ({ id: newTaskId(), ...makeWork(n, random) }));
}

/** @param {number} n @param {() => number} random @returns {Omit<Job, 'id'>} */
function makeWork(n, random) {
  const upTo = (/** @type {number} */ most) => Math.floor(random() * (most + 1));
  // One in a hundred does not fit into a frame and travels as a blob.
  const length = random() < 0.01 ? 70_000 + upTo(50_000) : upTo(400);
  const text = `${n}:${upTo(2 ** 31)}:`.padEnd(length, 'chaos ');
  if (random() < 0.3) {
    const chunks = random() < 0.2 ? { chunks: 1 + upTo(3) } : {};
    return { kind: 'chaos.digest', input: { n, text, delayMs: upTo(10), ...chunks } };
  }
  const manner = random();
  if (manner < 0.6) return { kind: 'echo', input: { n, text } };
  if (manner < 0.85) return { kind: 'echo', input: { n, text, delayMs: upTo(400) } };
  return { kind: 'echo', input: { n, text, delayMs: 50 + upTo(650), chunks: 1 + upTo(4) } };
}

/** @param {Job} job @returns {unknown} the only output that is right */
export function outputOf({ kind, input }) {
  if (kind === 'echo') return input;
  return { n: input.n, sha256: createHash('sha256').update(input.text).digest('hex') };
}

/** @param {Options} options @returns {Interruption[]} */
export function makeInterruptions({ seed, workers, coordinatorKills, workerKills, clientKills }) {
  const random = randomFrom(seed ^ 0x5eed);
  const anyWorker = () => /** @type {Victim} */ (`worker-${1 + Math.floor(random() * workers)}`);
  /** @type {Pick<Interruption, 'victim' | 'signal'>[]} */
  const interruptions = [];
  const add = (/** @type {number} */ kills, /** @type {() => Victim} */ victim, canStop = true) => {
    for (let i = 0; i < kills; i++) interruptions.push({ victim: victim(), signal: 'SIGKILL' });
    if (!canStop) return;
    for (let i = 0; i < Math.floor(kills / KILLS_A_STOP); i++)
      interruptions.push({ victim: victim(), signal: 'SIGTERM' });
  };
  add(coordinatorKills, () => 'coordinator');
  add(workerKills, anyWorker);
  add(clientKills, () => 'client', false);
  for (let i = interruptions.length - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    [interruptions[i], interruptions[j]] = [at(interruptions, j), at(interruptions, i)];
  }
  // Every third comes while the process before it is still restarting; the others after a random amount of work.
  return interruptions.map((interruption) => {
    if (random() < 1 / 3) return { ...interruption, work: 0, waitMs: Math.floor(random() * 1_000) };
    return { ...interruption, work: random() * 1.3, waitMs: Math.floor(random() * 100) };
  });
}

/** @template T @param {readonly T[]} list @param {number} i @returns {T} */
function at(list, i) {
  return /** @type {T} */ (list[i]);
}
