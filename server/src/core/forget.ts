/** What the pool no longer needs to know: workers that were gone for long, and tokens that admit nobody any more. */
import { dropToken, forgetRates } from './enrolment.js';
import { forgetKinds } from './known-kinds.js';
import type { TokenRecord } from './token.js';
import { emit, type Turn } from './turn.js';
import type { Worker } from './worker.js';

/** How often it is looked for, and how many of each go in one step: they are rows of its commit. */
const INTERVAL_MS = 60_000;
const MAX_FORGOTTEN = 200;

/** Once a minute of ticks: one pass over workers and tokens. */
export function forget(turn: Turn): void {
  const { state, batch } = turn;
  if (batch.nowMs - state.forgotAtMs < INTERVAL_MS) return;
  state.forgotAtMs = batch.nowMs;
  forgetRates(state, batch.nowMs);
  const bound = new Set([...state.bindings.values()].map(({ worker }) => worker));
  let left = MAX_FORGOTTEN;
  for (const worker of state.workers.values()) {
    if (left > 0 && !bound.has(worker.record.id) && isForgettable(turn, worker)) {
      forgetWorker(turn, worker);
      left--;
    }
  }
  left = MAX_FORGOTTEN;
  for (const token of state.tokens.values()) {
    if (left > 0 && isOver(turn, token)) {
      dropToken(turn, token.id);
      left--;
    }
  }
}

/** Unseen for `forgetWorkersMs`, or revoked for as long as results are kept, which name it. */
function isForgettable({ state, batch }: Turn, { record, session, attempts }: Worker): boolean {
  if (session !== 0 || attempts.size > 0) return false;
  const { forgetWorkersMs, retentionMs } = state.settings;
  return record.revokedAt
    ? record.revokedAt + retentionMs < batch.wallMs
    : record.lastSeenAt + forgetWorkersMs < batch.wallMs;
}

function forgetWorker(turn: Turn, worker: Worker): void {
  const { state, effects, batch } = turn;
  const { id, name, joinToken, joinKey, lastSeenAt, revokedAt } = worker.record;
  forgetKinds(turn, worker);
  for (const token of worker.credentials) dropToken(turn, token);
  state.workers.delete(id);
  state.joins.delete(`${joinToken} ${joinKey}`);
  effects.persist.dropWorkers.push(id);
  const days = Math.floor((batch.wallMs - lastSeenAt) / 86_400_000);
  emit(turn, 'worker.forgotten', id, '', { name, reason: revokedAt ? 'revoked' : `not seen for ${days} days` });
  state.placementDue = true;
  effects.workers.add(worker);
}

/** Join tokens that ended for as long as results are kept. A revoked one stays: a start must not make it anew. */
function isOver({ state, batch }: Turn, { role, expiresAt, revokedAt }: TokenRecord): boolean {
  return role === 'join' && !revokedAt && expiresAt !== 0 && expiresAt + state.settings.retentionMs < batch.wallMs;
}
