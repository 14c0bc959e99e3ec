/** Watching tasks: first the present state or the end, with the chunks that were missed, then every change. */
import type { WireError } from '@rma/protocol/error';
import { isTerminal } from '@rma/protocol/task';
import type { UpOf } from '@rma/protocol/up';
import { outgoingOf } from './effects.js';
import type { Session } from './session.js';
import type { State } from './state.js';
import type { Task } from './task.js';
import { changeOf, endOf, findTask, type Turn } from './turn.js';

export function watch(turn: Turn, session: Session, message: UpOf<'watch'>): void {
  const outgoing = outgoingOf(turn.effects, session.id);
  for (const { task: id, after } of message.tasks) {
    const task = findTask(turn, id);
    if (!task || (task.owner !== session.subject && session.role !== 'admin')) {
      outgoing.refused.push({ task: id, error: { kind: 'not_found', message: `there is no task ${id}` } });
    } else if (session.watching.size >= turn.state.settings.maxWatchesPerSession) {
      outgoing.refused.push({ task: id, error: tooManyWatches(turn.state) });
    } else watchTask(turn, session, task, after, true);
  }
}

export function tooManyWatches(state: State): WireError {
  const { maxWatchesPerSession } = state.settings;
  return {
    kind: 'rate_limited',
    message: `this session watches ${maxWatchesPerSession} tasks already (maxWatchesPerSession); unwatch some first`,
  };
}

/**
 * @param after the last chunk that the watcher has
 * @param known it existed before this message: its present state is sent, too
 */
export function watchTask(
  turn: Turn,
  session: Session,
  task: Task,
  after: { attempt: number; chunk: number } | undefined,
  known: boolean,
): void {
  const outgoing = outgoingOf(turn.effects, session.id);
  if (known) {
    const received = after && after.attempt === task.attempt ? after.chunk : 0;
    const upTo = isTerminal(task.state) ? Number.MAX_SAFE_INTEGER : task.lastChunk;
    if (upTo > received) {
      outgoing.replays.push({ task: task.id, seq: task.seq, attempt: task.attempt, after: received, upTo });
    }
    if (isTerminal(task.state)) {
      outgoing.ended.push(endOf(task));
      return;
    }
    outgoing.changed.push(changeOf(task));
  }
  session.watching.add(task.id);
  const { watchers } = turn.state;
  const sessions = watchers.get(task.id);
  if (sessions) sessions.add(session.id);
  else watchers.set(task.id, new Set([session.id]));
}

export function unwatch(turn: Turn, session: Session, message: UpOf<'unwatch'>): void {
  for (const id of message.tasks) dropWatch(turn, session, id);
}

export function dropWatch(turn: Turn, session: Session, id: string): void {
  session.watching.delete(id);
  const sessions = turn.state.watchers.get(id);
  sessions?.delete(session.id);
  if (sessions?.size === 0) turn.state.watchers.delete(id);
}
