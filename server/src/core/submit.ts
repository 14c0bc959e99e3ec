/** Submits: every task of one is accepted once it is on disk, or refused with the reason. */
import { type ErrorKind, ProtocolError, type WireError } from '@rma/protocol/error';
import { LIMITS } from '@rma/protocol/limits';
import { unpackPayload, valueToJson } from '@rma/protocol/payload';
import type { TaskSpec } from '@rma/protocol/task';
import type { UpOf } from '@rma/protocol/up';
import { closest } from './closest.js';
import { outgoingOf } from './effects.js';
import { laneKey } from './lane.js';
import { queueTask } from './life.js';
import type { Session } from './session.js';
import { newLane } from './state.js';
import { optionsOf, type Task } from './task.js';
import { countLane, countOwner, emitTask, findTask, forget, type Turn, touch } from './turn.js';
import { tooManyWatches, watchTask } from './watch.js';

/** Clocks differ: an id from further ahead than this is a mistake. */
const MAX_AHEAD_MS = 86_400_000;

export function submit(turn: Turn, session: Session, message: UpOf<'submit'>): void {
  const outgoing = outgoingOf(turn.effects, session.id);
  for (const spec of message.tasks) {
    const known = findTask(turn, spec.id);
    const error = known ? conflict(known, spec, session) : refusal(turn, spec, session.subject);
    if (error) {
      outgoing.refused.push({ task: spec.id, error });
      continue;
    }
    if (message.watch && session.watching.size >= turn.state.settings.maxWatchesPerSession) {
      outgoing.refused.push({ task: spec.id, error: tooManyWatches(turn.state) });
      continue;
    }
    outgoing.accepted.push(spec.id);
    const task = known ?? create(turn, spec, session.subject);
    if (message.watch) watchTask(turn, session, task, undefined, known !== undefined);
  }
}

function conflict(task: Task, spec: TaskSpec, session: Session): WireError | undefined {
  const same =
    task.owner === session.subject &&
    task.kind === spec.kind &&
    task.priority === (spec.priority ?? 0) &&
    sameInput(task.input, spec.input) &&
    JSON.stringify(task.options) === JSON.stringify(optionsOf(spec)) &&
    JSON.stringify(task.blobs ?? []) === JSON.stringify(spec.blobs ?? []);
  if (same) return undefined;
  return {
    kind: 'conflict',
    message: `a task with the id ${spec.id} exists with other content; make a new id for a new task`,
  };
}

/** The same value may be encoded in two ways, by two subprotocols or libraries. */
function sameInput(a: Uint8Array, b: Uint8Array): boolean {
  if (sameBytes(a, b)) return true;
  const text = valueText(a);
  return text !== undefined && text === valueText(b);
}

/** Undefined for bytes that are no MessagePack: the coordinator does not look into inputs, so they may be anything. */
function valueText(payload: Uint8Array): string | undefined {
  try {
    return JSON.stringify(valueToJson(unpackPayload(payload)));
  } catch (error) {
    if (error instanceof ProtocolError) return undefined;
    throw error;
  }
}

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

/** The time that a UUIDv7 carries, in ms. */
export function timeOfId(id: string): number {
  return Number.parseInt(id.slice(0, 8) + id.slice(9, 13), 16);
}

export function refusal(turn: Turn, spec: TaskSpec, owner: string): WireError | undefined {
  const { state, batch } = turn;
  const refuse = (kind: ErrorKind, message: string, path?: string): WireError => ({
    kind,
    message,
    ...(path === undefined ? {} : { path }),
  });
  const madeAt = timeOfId(spec.id);
  if (madeAt < batch.wallMs - state.settings.retentionMs) {
    const days = Math.round(state.settings.retentionMs / 86_400_000);
    return refuse('invalid', `the id ${spec.id} is older than results are kept (${days} days); make a new one`, '/id');
  }
  if (madeAt > batch.wallMs + MAX_AHEAD_MS) {
    return refuse('invalid', `the id ${spec.id} lies more than a day in the future; check this machine's clock`, '/id');
  }
  if (state.stopping)
    return refuse('unavailable', 'the coordinator is stopping; send the task again after reconnecting');
  if (state.storageFull) {
    return refuse('storage_full', "the coordinator's disk is full; nothing was lost, send the task again later");
  }
  if (spec.input.length > LIMITS.maxInlineBytes) {
    return refuse(
      'too_large',
      `the input has ${spec.input.length} bytes, at most ${LIMITS.maxInlineBytes} go inline (maxInlineBytes); upload it as a blob`,
      '/input',
    );
  }
  if (!state.knownKinds.has(spec.kind)) {
    const near = closest(spec.kind, [...state.knownKinds.keys()]);
    const hint = near.length > 0 ? `; did you mean ${near.join(' or ')}?` : '; `rma workers` lists what workers offer';
    return refuse('unknown_kind', `no worker ever offered '${spec.kind}'${hint}`, '/kind');
  }
  const wanted = spec.constraints?.worker;
  if (wanted !== undefined) {
    const worker = state.workers.get(wanted);
    if (worker?.record.revokedAt !== 0) {
      return refuse(
        'unservable',
        `the worker ${wanted} is not in the pool; \`rma workers\` lists them`,
        '/constraints/worker',
      );
    }
  }
  for (const blob of spec.blobs ?? []) {
    if (!batch.blobsHeld.has(`${owner} ${blob}`)) {
      return refuse('not_found', `the blob ${blob} was not uploaded; upload it before the submit`, '/blobs');
    }
  }
  if ((state.openPerOwner.get(owner) ?? 0) >= state.settings.maxOpenPerOwner) {
    return refuse(
      'queue_full',
      `${owner} has ${state.settings.maxOpenPerOwner} open tasks (maxOpenPerOwner); wait until some ended`,
    );
  }
  if (
    !state.lanesByKey.has(laneKey(spec.kind, spec.constraints)) &&
    (state.lanesPerOwner.get(owner) ?? 0) >= state.settings.maxLanesPerOwner
  ) {
    return refuse(
      'queue_full',
      `${owner} uses ${state.settings.maxLanesPerOwner} different constraints at once (maxLanesPerOwner)`,
      '/constraints',
    );
  }
  return undefined;
}

export function create(turn: Turn, spec: TaskSpec, owner: string): Task {
  const { state, batch, effects } = turn;
  let lane = state.lanesByKey.get(laneKey(spec.kind, spec.constraints));
  if (!lane) {
    lane = newLane(state, spec.kind, spec.constraints, owner);
    effects.persist.newLanes.push(lane);
  }
  const later = spec.notBefore !== undefined && spec.notBefore > batch.wallMs;
  const task: Task = {
    seq: state.nextSeq++,
    id: spec.id,
    owner,
    kind: spec.kind,
    lane: lane.id,
    priority: spec.priority ?? 0,
    input: spec.input,
    blobs: spec.blobs?.length ? spec.blobs : null,
    options: optionsOf(spec),
    submittedAt: batch.wallMs,
    state: later ? 'scheduled' : 'queued',
    attempt: 0,
    failures: 0,
    lost: 0,
    worker: null,
    startedAt: 0,
    endedAt: 0,
    dueAt: 0,
    output: null,
    outputBlobs: null,
    error: null,
    stored: null,
    service: '',
    deadlineMs: 0,
    lastChunk: 0,
    chunkBytes: 0,
  };
  if (task.id > state.newestId) state.newestId = task.id;
  countLane(turn, lane, 0, 1);
  countOwner(turn, owner, 1);
  for (const blob of task.blobs ?? []) effects.persist.blobRefs.push({ owner, blob, seq: task.seq });
  emitTask(turn, 'task.submitted', task, { kind: task.kind, priority: task.priority });
  if (later) {
    state.scheduled++;
    task.dueAt = spec.notBefore!;
    touch(turn, task);
    forget(turn, task);
  } else queueTask(turn, task);
  return task;
}
