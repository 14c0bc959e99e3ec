/** What time brings: graces that end, deadlines that pass, waits that are over, tokens that expire, lanes that are empty. */

import { stopAttempt } from './cancel.js';
import { closeSession, giveUp } from './join.js';
import { queuedIn } from './lane.js';
import { endTask, failAttempt, freeSlot, queueTask } from './life.js';
import { kindState } from './state.js';
import { expiryOf, moveTask, type Task } from './task.js';
import { findTask, forget, type Turn, tellChanged } from './turn.js';

const TOKEN_OVER = 'the token has expired; make a new one with `rma token create`';
/** A browser's, which lasts as long as its cookie. */
const SESSION_OVER = 'you were signed in for a long time, and that is over; sign in again';

export function tick(turn: Turn): void {
  const { state, batch } = turn;
  for (const worker of state.workers.values()) {
    if (worker.graceUntilMs !== 0 && worker.graceUntilMs <= batch.nowMs) giveUp(turn, worker, 'fell silent');
    for (const [key, { service, sinceMs }] of worker.stopping) {
      if (batch.nowMs - sinceMs < state.settings.stopTimeoutMs) continue;
      worker.stopping.delete(key);
      freeSlot(turn, worker, service);
    }
  }
  for (const task of state.running) {
    if (task.deadlineMs > batch.nowMs) continue;
    const worker = task.worker === null ? undefined : state.workers.get(task.worker);
    // An absent worker's grace decides; its attempt may long be finished.
    if (worker?.session === 0) continue;
    stopAttempt(turn, task, 'timeout');
    failAttempt(turn, task, { code: 'timeout', message: 'the attempt took longer than its timeoutMs' }, true);
  }
  expireSessions(turn);
  // What is idle, absent or failing becomes so by time alone.
  if (state.catalog.entries.length > 0) state.placementDue = true;
  for (const lane of state.lanes.values()) {
    if (lane.open > 0 || queuedIn(lane) > 0) continue;
    state.lanes.delete(lane.id);
    state.lanesByKey.delete(lane.key);
    kindState(state, lane.kind).lanes.delete(lane);
    state.ready.delete(lane);
    const left = (state.lanesPerOwner.get(lane.owner) ?? 1) - 1;
    if (left > 0) state.lanesPerOwner.set(lane.owner, left);
    else state.lanesPerOwner.delete(lane.owner);
    turn.effects.persist.droppedLanes.push(lane.id);
  }
}

export function expireSessions(turn: Turn): void {
  const { state, batch } = turn;
  for (const session of state.sessions.values()) {
    if (session.expiresAt && session.expiresAt <= batch.wallMs) {
      const tokenEnd = state.tokens.get(session.token)?.expiresAt ?? 0;
      // A cookie tells its end in whole seconds, so one that ends with its token may end up to a second before it.
      const isTokenOver = tokenEnd !== 0 && tokenEnd - session.expiresAt < 1_000;
      closeSession(turn, session.id, 'revoked', isTokenOver ? TOKEN_OVER : SESSION_OVER);
    }
  }
}

/** Rows whose due time has come: a wait is over, or a queued task expires. */
export function due(turn: Turn, rows: readonly Task[]): void {
  const { state, batch } = turn;
  for (const row of rows) {
    const task = findTask(turn, row.id) ?? row;
    if (task.dueAt === 0 || task.dueAt > batch.wallMs) continue;
    if (!state.tasks.has(task.id)) forget(turn, task);
    const expiry = expiryOf(task);
    if (task.state === 'queued' || (expiry !== 0 && expiry <= batch.wallMs)) {
      endTask(turn, task, 'expired', { error: { code: 'expired', message: 'not started within its ttlMs' } });
    } else if (task.state === 'scheduled') {
      state.scheduled--;
      moveTask(task, 'queued');
      queueTask(turn, task);
      tellChanged(turn, task);
    }
  }
}
