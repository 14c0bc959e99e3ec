/** Submits: each task of the message is accepted, once it is on disk, or refused with the reason. */
import type { WireError } from '@rma/protocol/error';
import type { TaskSpec } from '@rma/protocol/task';
import type { UpOf } from '@rma/protocol/up';
import { refusal } from './admission.js';
import { outgoingOf } from './effects.js';
import { laneKey } from './lane.js';
import { samePayload } from './same-payload.js';
import type { Session } from './session.js';
import { newLane } from './state.js';
import { optionsOf, type Task } from './task.js';
import { queueTask } from './task-lifecycle.js';
import { countLane, countOwner, emitTask, evict, findTask, type Turn, touch } from './turn.js';
import { tooManyWatches, watchTask } from './watch.js';

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

/** A repeated submit, as after a lost connection, must be the same task in everything. */
function conflict(task: Task, spec: TaskSpec, session: Session): WireError | undefined {
  const same =
    task.owner === session.subject &&
    task.kind === spec.kind &&
    task.priority === (spec.priority ?? 0) &&
    samePayload(task.input, spec.input) &&
    JSON.stringify(task.options) === JSON.stringify(optionsOf(spec)) &&
    JSON.stringify(task.blobs ?? []) === JSON.stringify(spec.blobs ?? []);
  if (same) return undefined;
  return {
    kind: 'conflict',
    message: `a task with the id ${spec.id} exists with other content; make a new id for a new task`,
  };
}

/** Makes and queues a task, which the caller has admitted. */
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
    triedOn: [],
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
    evict(turn, task);
  } else queueTask(turn, task);
  return task;
}
