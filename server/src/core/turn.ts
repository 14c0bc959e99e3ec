/** One step of the core: its state, what came in, what goes out, and the primitives that every part uses. */
import type { ErrorKind } from '@rma/protocol/error';
import { ProtocolError } from '@rma/protocol/error';
import type { EventType } from '@rma/protocol/event';
import type { Failure, TaskChange, TaskEnd } from '@rma/protocol/task';
import { count, type Effects, outgoingOf } from './effects.js';
import type { Batch } from './inputs.js';
import type { Lane } from './lane.js';
import type { Session } from './session.js';
import { kindState, type State } from './state.js';
import type { Task } from './task.js';

export interface Turn {
  readonly state: State;
  readonly batch: Batch;
  readonly effects: Effects;
  /** Tasks that left memory in this turn: later inputs of the turn must find them as they are now, not as fetched. */
  readonly evicted: Map<string, Task>;
  /** So many more refusals of unknown kinds say which known ones are close: a step's work must not grow with mistakes. */
  hints: number;
}

/** A task by id: in memory, or evicted in this turn, or fetched for it. The order matters: fetched rows are the oldest. */
export function findTask(turn: Turn, id: string): Task | undefined {
  return turn.state.tasks.get(id) ?? turn.evicted.get(id) ?? turn.batch.fetched.get(id);
}

/** Marks the task's row as changed: the turn's commit writes it. */
export function touch(turn: Turn, task: Task): void {
  turn.effects.persist.tasks.add(task);
}

/** The task is no longer held in memory; its row stays. */
export function evict(turn: Turn, task: Task): void {
  turn.state.tasks.delete(task.id);
  turn.evicted.set(task.id, task);
}

export function emit(
  turn: Turn,
  type: EventType,
  subject: string,
  owner: string,
  data: Record<string, unknown> | null = null,
  task = 0,
): void {
  const seq = ++turn.state.lastEvent;
  turn.effects.persist.events.push({ seq, at: turn.batch.wallMs, type, subject, owner, data, task });
}

/** An entry of the audit log: an event with who did it, with which token, from where. */
export function audit(
  turn: Turn,
  session: Session,
  type: EventType,
  subject: string,
  data: Record<string, unknown>,
  owner = '',
): void {
  const by = turn.state.tokens.get(session.token)?.name ?? session.subject;
  const from = session.address === '' ? {} : { address: session.address };
  emit(turn, type, subject, owner, { ...data, by, token: session.token, ...from });
}

export function emitTask(turn: Turn, type: EventType, task: Task, data: Record<string, unknown>): void {
  emit(turn, type, task.id, task.owner, data, task.seq);
}

/** Changes a lane's counts, in memory and in the turn's commit. */
export function countLane(turn: Turn, lane: Lane, queued: number, open: number): void {
  turn.state.queued += queued;
  kindState(turn.state, lane.kind).queued += queued;
  lane.open += open;
  const deltas = turn.effects.persist.laneDeltas;
  const delta = deltas.get(lane.id);
  if (delta) {
    delta.queued += queued;
    delta.open += open;
  } else deltas.set(lane.id, { queued, open });
}

/** Changes the number of an owner's open tasks, in memory and in the turn's commit. */
export function countOwner(turn: Turn, owner: string, by: number): void {
  const { openPerOwner } = turn.state;
  const open = (openPerOwner.get(owner) ?? 0) + by;
  if (open > 0) openPerOwner.set(owner, open);
  else openPerOwner.delete(owner);
  count(turn.effects.persist.ownerDeltas, owner, by);
}

export function sendError(
  turn: Turn,
  session: number,
  kind: ErrorKind,
  message: string,
  options: { ref?: number; about?: string } = {},
): void {
  outgoingOf(turn.effects, session).errors.push({ ...options, error: new ProtocolError(kind, message).toWire() });
}

export function sendReply(turn: Turn, session: number, ref: number, result: unknown): void {
  outgoingOf(turn.effects, session).replies.push({ ref, result });
}

export function changeOf(task: Task, extra: { fraction?: number; note?: string; error?: Failure } = {}): TaskChange {
  return {
    task: task.id,
    state: task.state,
    attempt: task.attempt,
    ...(task.worker === null || task.state !== 'running' ? {} : { worker: task.worker }),
    ...extra,
  };
}

export function endOf(task: Task): TaskEnd {
  return {
    task: task.id,
    state: task.state as TaskEnd['state'],
    ...(task.output === null ? {} : { output: task.output }),
    ...(task.outputBlobs === null ? {} : { blobs: [...task.outputBlobs] }),
    ...(task.error === null ? {} : { error: task.error }),
    attempts: task.attempt,
    ...(task.worker === null ? {} : { worker: task.worker }),
    submittedAt: task.submittedAt,
    ...(task.startedAt === 0 ? {} : { startedAt: task.startedAt }),
    endedAt: task.endedAt,
  };
}

/** Sends a change of an open task to the sessions that watch it. */
export function notifyChanged(
  turn: Turn,
  task: Task,
  extra?: { fraction?: number; note?: string; error?: Failure },
): void {
  const sessions = turn.state.watchers.get(task.id);
  if (!sessions) return;
  const change = changeOf(task, extra);
  for (const session of sessions) outgoingOf(turn.effects, session).changed.push(change);
}

/** Sends the end of a task to the sessions that watch it, and ends their watches. */
export function notifyEnded(turn: Turn, task: Task): void {
  const { watchers, sessions } = turn.state;
  const watching = watchers.get(task.id);
  if (!watching) return;
  watchers.delete(task.id);
  const end = endOf(task);
  for (const id of watching) {
    sessions.get(id)?.watching.delete(task.id);
    outgoingOf(turn.effects, id).ended.push(end);
  }
}
