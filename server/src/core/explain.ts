/** Why a task waits, as a sentence for its owner. Read-only: nothing here changes the state. */

import { headOf, queuedIn } from './lane.js';
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

const plural = (n: number, one: string, many = `${one}s`): string => `${n} ${n === 1 ? one : many}`;

export function explainWaiting(state: State, task: WaitingTask, wallMs: number): string {
  if (task.state === 'scheduled') {
    const seconds = Math.max(0, Math.round((task.dueAt - wallMs) / 1_000));
    return task.attempt > 0
      ? `waits ${seconds} s more before attempt ${task.attempt + 1}, since attempt ${task.attempt} failed`
      : `scheduled: begins in ${seconds} s`;
  }
  const online = [...state.workers.values()].filter((worker) => worker.session !== 0);
  const constraints = state.lanes.get(task.lane)?.constraints ?? {};
  const { model } = constraints;
  const serving = online.filter((worker) => servesKind(worker, task.kind));
  const unfit = (worker: Worker) =>
    mismatch(worker, constraints) ??
    (servesKind(worker, task.kind, model) ? undefined : `does not have the model ${model}`);
  const served = serving.some((worker) => acceptsTasks(worker) && unfit(worker) === undefined);
  const unserved = served ? undefined : explainUnserved(state, task.kind, constraints, wallMs);
  if (unserved !== undefined) return `${unserved}${queuePlace(state, task)}`;
  if (serving.length === 0) return noWorkerServes(state, task.kind, online.length);
  const reasons = new Map<string, number>();
  const able: Worker[] = [];
  for (const worker of serving) {
    const reason = acceptsTasks(worker) ? unfit(worker) : 'takes no new tasks';
    if (reason === undefined) able.push(worker);
    else reasons.set(reason, (reasons.get(reason) ?? 0) + 1);
  }
  const parts = [
    `of ${plural(online.length, 'worker')} online, ${plural(serving.length, 'serves', 'serve')} ${task.kind}`,
  ];
  for (const [reason, n] of reasons) parts.push(`${n} ${reason}`);
  if (able.length === 0) return `${parts.join(', ')}: waits for one that fits`;
  const free = able.reduce((sum, worker) => sum + freeSlotsFor(worker, task.kind, model), 0);
  const full = able.filter((worker) => freeSlotsFor(worker, task.kind, model) === 0).length;
  if (full > 0)
    parts.push(full === able.length ? `${full === 1 ? 'it is' : `all ${full} that fit are`} full` : `${full} are full`);
  return `${parts.join(', ')}: ${positionOf(state, task, able, free)}`;
}

/** Its position in its lane; empty where it is alone. */
function queuePlace(state: State, task: WaitingTask): string {
  const lane = state.lanes.get(task.lane);
  if (!lane || queuedIn(lane) < 2) return '';
  const ahead = lane.window.filter((other) => compareTasks(other, task) < 0).length;
  return `; position ${ahead + 1} of ${queuedIn(lane)}`;
}

/** Its position and, once the kind's run times are known, an estimate of the wait. */
function positionOf(state: State, task: WaitingTask, able: readonly Worker[], free: number): string {
  const lane = state.lanes.get(task.lane);
  if (!lane) return 'next';
  const ahead = lane.window.filter((other) => compareTasks(other, task) < 0).length;
  const inWindow = lane.window.some((other) => other.id === task.id);
  const position = ahead + 1;
  if (!inWindow && queuedIn(lane) > lane.window.length) return `position ${position} or later of ${queuedIn(lane)}`;
  if (free > 0 && headOf(lane)?.id === task.id) return 'next';
  const slots = able.reduce((sum, worker) => {
    for (const { service } of worker.services.values()) {
      if (service.kinds.includes(task.kind)) return sum + service.slots;
    }
    return sum;
  }, 0);
  const mean = state.kinds.get(task.kind)?.meanRunMs ?? 0;
  const seconds = Math.ceil((position / Math.max(1, slots)) * (mean / 1_000));
  return mean > 0 ? `position ${position}, about ${seconds} s` : `position ${position}`;
}

function noWorkerServes(state: State, kind: string, online: number): string {
  const known = [...(state.knownKinds.get(kind) ?? [])]
    .map((id) => state.workers.get(id))
    .filter((w) => w !== undefined);
  const last = known.sort((a, b) => b.record.lastSeenAt - a.record.lastSeenAt)[0];
  const head = `none of ${plural(online, 'worker')} online serves ${kind}`;
  if (!last) return `${head}: waits for a worker that does`;
  const at = new Date(last.record.lastSeenAt).toISOString().slice(0, 16).replace('T', ' ');
  return stateOf(last) === 'online' || stateOf(last) === 'draining'
    ? `${head}; ${last.record.name} (${last.record.id}) did before: waits until its service is healthy`
    : `${head}; ${last.record.name} (${last.record.id}) did, and is ${stateOf(last)} since ${at} UTC`;
}
