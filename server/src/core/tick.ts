/** What happens by time alone: graces, deadlines, backoffs and tokens that end, lanes that stay empty. */
import { closeAttempt } from './attempt.js';
import { forget } from './forget.js';
import { dropKindState } from './known-kinds.js';
import { queuedIn } from './lane.js';
import { believeLess } from './matching/believed-slots.js';
import { giveUp } from './reconcile.js';
import { rested } from './reputation.js';
import { closeSession } from './sessions.js';
import { removeLane } from './state.js';
import { expiryOf, moveTask, type Task } from './task.js';
import { endTask, failAttempt, queueTask, stopAttempt } from './task-lifecycle.js';
import { evict, findTask, notifyChanged, type Turn } from './turn.js';
import type { Worker } from './worker.js';

const TOKEN_OVER = 'the token has expired; make a new one with `rma token create`';
/** Of a browser's session, which lasts as long as its cookie. */
const SESSION_OVER = 'you were signed in for a long time, and that is over; sign in again';

export function tick(turn: Turn): void {
  const { state, batch } = turn;
  for (const worker of state.workers.values()) {
    if (worker.graceUntilMs !== 0 && worker.graceUntilMs <= batch.nowMs) giveUp(turn, worker, 'fell silent');
    if (worker.restUntilMs !== 0 && worker.restUntilMs <= batch.nowMs) rested(turn, worker);
    endOverdue(turn, worker);
  }
  expireSessions(turn);
  forget(turn);
  // Workloads become idle, absent or failing by time alone.
  if (state.catalog.entries.length > 0) state.placementDue = true;
  for (const lane of state.lanes.values()) {
    if (lane.open > 0 || queuedIn(lane) > 0) continue;
    removeLane(state, lane);
    dropKindState(state, lane.kind);
    turn.effects.persist.droppedLanes.push(lane.id);
  }
}

/** Attempts of a worker that ran, or were stopping, for too long. */
function endOverdue(turn: Turn, worker: Worker): void {
  const { state, batch } = turn;
  for (const attempt of worker.attempts.values()) {
    if (attempt.state === 'lost' || attempt.deadlineMs > batch.nowMs) continue;
    if (attempt.state === 'stopping') {
      closeAttempt(turn, worker, attempt);
      continue;
    }
    // An absent worker's attempt may have finished in time: its grace decides instead.
    if (worker.session === 0) continue;
    const task = state.tasks.get(attempt.task)!;
    believeLess(worker);
    stopAttempt(turn, task, 'timeout');
    failAttempt(turn, task, { code: 'timeout', message: 'the attempt took longer than its timeoutMs' }, true);
  }
}

export function expireSessions(turn: Turn): void {
  const { state, batch } = turn;
  for (const session of state.sessions.values()) {
    if (session.expiresAt && session.expiresAt <= batch.wallMs) {
      const tokenEnd = state.tokens.get(session.token)?.expiresAt ?? 0;
      // Cookies expire in whole seconds: one that ends with its token may end up to a second before it.
      const isTokenOver = tokenEnd !== 0 && tokenEnd - session.expiresAt < 1_000;
      closeSession(turn, session.id, 'revoked', isTokenOver ? TOKEN_OVER : SESSION_OVER);
    }
  }
}

/** Rows with `dueAt <= now`: a scheduled task is queued, or a task that never started expires. */
export function due(turn: Turn, rows: readonly Task[]): void {
  const { state, batch } = turn;
  for (const row of rows) {
    const task = findTask(turn, row.id) ?? row;
    if (task.dueAt === 0 || task.dueAt > batch.wallMs) continue;
    if (!state.tasks.has(task.id)) evict(turn, task);
    const expiry = expiryOf(task);
    if (task.state === 'queued' || (expiry !== 0 && expiry <= batch.wallMs)) {
      endTask(turn, task, 'expired', { error: { code: 'expired', message: 'not started within its ttlMs' } });
    } else if (task.state === 'scheduled') {
      state.scheduled--;
      moveTask(task, 'queued');
      queueTask(turn, task);
      notifyChanged(turn, task);
    }
  }
}
