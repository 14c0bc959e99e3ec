/** Why a task waits, as a sentence for its owner. Read-only: nothing here changes the state. */

import { headOf, queuedIn } from './lane.js';
import { believedRoom, disbelief } from './matching/believed-slots.js';
import { sampleOf } from './matching/sample.js';
import { constraintKeys, kindKey } from './matching/term-keys.js';
import { explainUnserved } from './placement/explain.js';
import type { State } from './state.js';
import { compareTasks } from './task.js';
import { stateOf } from './view.js';
import { acceptsTasks, freeSlotsFor, mismatch, servesKind, type Worker } from './worker.js';

/** Of a task that waits, in memory or not. */
export interface WaitingTask {
  readonly id: string;
  readonly state: 'queued' | 'scheduled';
  readonly kind: string;
  readonly lane: number;
  readonly priority: number;
  readonly seq: number;
  readonly dueAt: number;
  readonly attempt: number;
}

/** Of the workers that once served a kind, so many are looked at for the one that was seen last. */
const MAX_SERVED = 1_000;

const plural = (n: number, one: string, many = `${one}s`): string => `${n} ${n === 1 ? one : many}`;

export function explainWaiting(state: State, task: WaitingTask, wallMs: number): string {
  if (task.state === 'scheduled') {
    const seconds = Math.max(0, Math.round((task.dueAt - wallMs) / 1_000));
    return task.attempt > 0
      ? `waits ${seconds} s more before attempt ${task.attempt + 1}, since attempt ${task.attempt} failed`
      : `scheduled: begins in ${seconds} s`;
  }
  const constraints = state.lanes.get(task.lane)?.constraints ?? {};
  const { model } = constraints;
  const serving = state.index.serving(task.kind);
  const sample = sampleOf(state, [[kindKey(task.kind)], ...constraintKeys(constraints)]);
  const unfit = (worker: Worker) =>
    mismatch(worker, constraints) ??
    (servesKind(worker, task.kind, model) ? undefined : `does not have the model ${model}`);
  const served = sample.workers.some((worker) => acceptsTasks(worker) && unfit(worker) === undefined);
  const unserved = served ? undefined : explainUnserved(state, task.kind, constraints, wallMs);
  if (unserved !== undefined) return `${unserved}${queuePlace(state, task)}`;
  const { online } = state.index.counts;
  if (serving === 0) return noWorkerServes(state, task.kind, online);
  const reasons = new Map<string, number>();
  const able: Worker[] = [];
  for (const worker of sample.workers) {
    const reason = acceptsTasks(worker) ? unfit(worker) : 'takes no new tasks';
    if (reason === undefined) able.push(worker);
    else reasons.set(reason, (reasons.get(reason) ?? 0) + 1);
  }
  const parts = [`of ${plural(online, 'worker')} online, ${plural(serving, 'serves', 'serve')} ${task.kind}`];
  const looked = sample.workers.length;
  if (looked < serving) parts.push(`of ${looked} looked at`);
  for (const [reason, n] of reasons) parts.push(`${n} ${reason}`);
  if (able.length === 0) return `${parts.join(', ')}: waits for one that fits`;
  return `${parts.join(', ')}${fullness(able, task.kind, model)}: ${positionOf(state, task, able, sample.of / looked)}`;
}

/** Slots of a worker for a task that are free, as far as they are believed. */
const freeOn = (worker: Worker, kind: string, model: string | undefined): number =>
  Math.max(0, Math.min(freeSlotsFor(worker, kind, model), believedRoom(worker)));

/** How many of those that fit have no free slot, and which of them have more than are believed. */
function fullness(able: readonly Worker[], kind: string, model: string | undefined): string {
  const full = able.filter((worker) => freeOn(worker, kind, model) === 0);
  if (full.length === 0) return '';
  const all = full.length === able.length;
  const text = all
    ? `${full.length === 1 ? 'it is' : `all ${full.length} that fit are`} full`
    : `${full.length} are full`;
  const disbelieved = full.map(disbelief).filter((reason) => reason !== undefined);
  const [reason] = disbelieved;
  return `, ${text}${reason === undefined ? '' : ` (${full.length === 1 ? 'it' : `${disbelieved.length} of them:`} ${reason})`}`;
}

/** Its position in its lane; empty where it is alone. */
function queuePlace(state: State, task: WaitingTask): string {
  const lane = state.lanes.get(task.lane);
  if (!lane || queuedIn(lane) < 2) return '';
  const ahead = lane.window.filter((other) => compareTasks(other, task) < 0).length;
  return `; position ${ahead + 1} of ${queuedIn(lane)}`;
}

/**
 * Its position and, once the kind's run times are known, an estimate of the wait.
 * @param scale how many workers each of those that are able stands for
 */
function positionOf(state: State, task: WaitingTask, able: readonly Worker[], scale: number): string {
  const lane = state.lanes.get(task.lane);
  if (!lane) return 'next';
  const ahead = lane.window.filter((other) => compareTasks(other, task) < 0).length;
  const inWindow = lane.window.some((other) => other.id === task.id);
  const position = ahead + 1;
  if (!inWindow && queuedIn(lane) > lane.window.length) return `position ${position} or later of ${queuedIn(lane)}`;
  const free = able.some((worker) => freeOn(worker, task.kind, lane.constraints.model) > 0);
  if (free && headOf(lane)?.id === task.id) return 'next';
  const slots = able.reduce((sum, worker) => {
    for (const { service } of worker.services.values()) {
      if (service.kinds.includes(task.kind)) return sum + service.slots;
    }
    return sum;
  }, 0);
  const mean = state.kinds.get(task.kind)?.meanRunMs ?? 0;
  const seconds = Math.ceil((position / Math.max(1, slots * scale)) * (mean / 1_000));
  return mean > 0 ? `position ${position}, about ${seconds} s` : `position ${position}`;
}

function noWorkerServes(state: State, kind: string, online: number): string {
  let last: Worker | undefined;
  let looked = 0;
  for (const id of state.knownKinds.get(kind) ?? []) {
    if (++looked > MAX_SERVED) break;
    const worker = state.workers.get(id);
    if (worker && (!last || worker.record.lastSeenAt > last.record.lastSeenAt)) last = worker;
  }
  const head = `none of ${plural(online, 'worker')} online serves ${kind}`;
  if (!last) return `${head}: waits for a worker that does`;
  const at = new Date(last.record.lastSeenAt).toISOString().slice(0, 16).replace('T', ' ');
  return stateOf(last) === 'online' || stateOf(last) === 'draining'
    ? `${head}; ${last.record.name} (${last.record.id}) did before: waits until its service is healthy`
    : `${head}; ${last.record.name} (${last.record.id}) did, and is ${stateOf(last)} since ${at} UTC`;
}
