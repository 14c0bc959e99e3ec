/** An admin's actions, each answered once it is on disk, and a donor's one: to leave the pool. */
import type { Labels } from '@rma/protocol/task';
import type { UpOf } from '@rma/protocol/up';
import { DEFAULT_JOIN_LIFE_MS, DEFAULT_JOIN_USES } from './enrolment.js';
import type { MessageInput } from './inputs.js';
import { forgetKinds } from './known-kinds.js';
import { publishAssignment, reassign } from './placement/assignments.js';
import { releaseBindings } from './placement/changes.js';
import { giveUp, handBack } from './reconcile.js';
import type { Session } from './session.js';
import { closeSession } from './sessions.js';
import { retry } from './task-actions.js';
import { type TokenRecord, viewToken } from './token.js';
import { audit, emit, sendError, sendReply, type Turn } from './turn.js';
import { viewWorker } from './view.js';
import type { Worker } from './worker.js';

type Act = UpOf<'act'>;
type CreateToken = Extract<Act['action'], { do: 'token.create' }>;
type WorkerAction = Extract<Act['action'], { worker: string }>;

export function act(turn: Turn, session: Session, message: Act, { minted, newTask }: MessageInput): void {
  const { action, ref } = message;
  switch (action.do) {
    case 'token.create':
      if (!minted) throw new Error('token.create without a minted token');
      createToken(turn, session, ref, action, minted);
      return;
    case 'token.revoke':
      revokeToken(turn, session, ref, action.token);
      return;
    case 'task.retry':
      retry(turn, session, ref, action.task, newTask);
      return;
    default:
      actOnWorker(turn, session, ref, action);
  }
}

function actOnWorker(turn: Turn, session: Session, ref: number, action: WorkerAction): void {
  const worker = turn.state.workers.get(action.worker);
  if (!worker) {
    sendError(turn, session.id, 'not_found', `there is no worker ${action.worker}`, { ref, about: 'act' });
    return;
  }
  const reply = () => sendReply(turn, session.id, ref, viewWorker(worker, true, turn.batch.wallMs));
  if (worker.record.revokedAt) {
    // Idempotent: clients repeat an action whose reply was lost with the connection.
    if (action.do === 'worker.revoke') reply();
    else sendError(turn, session.id, 'conflict', `the worker ${action.worker} is revoked`, { ref, about: 'act' });
    return;
  }
  if (action.do === 'worker.pin') pin(turn, session, worker, action.tier);
  else if (action.do === 'worker.drain') drain(turn, session, worker, action.draining, action.requeue === true);
  else if (action.do === 'worker.rename') rename(turn, session, worker, action.name);
  else if (action.do === 'worker.label') label(turn, session, worker, action.labels);
  else revokeWorker(turn, session, worker);
  turn.effects.persist.workers.add(worker.record);
  turn.effects.workers.add(worker);
  reply();
}

function pin(turn: Turn, session: Session, worker: Worker, tier: 1 | 2 | 3 | null): void {
  worker.record.pinnedTier = tier;
  worker.eligibility = null;
  reassign(turn.state, worker);
  turn.state.placementDue = true;
  audit(turn, session, 'worker.pinned', worker.record.id, { tier });
  if (worker.session !== 0) publishAssignment(turn, worker);
}

function drain(turn: Turn, session: Session, worker: Worker, draining: boolean, requeue: boolean): void {
  worker.record.draining = draining;
  turn.state.placementDue = true;
  audit(turn, session, draining ? 'worker.draining' : 'worker.resumed', worker.record.id, requeue ? { requeue } : {});
  if (draining && requeue) handBack(turn, worker, 'an admin paused its worker');
}

function rename(turn: Turn, session: Session, worker: Worker, name: string): void {
  const before = worker.record.name;
  worker.record.name = name;
  worker.record.givenName = name;
  audit(turn, session, 'worker.renamed', worker.record.id, { name, before });
}

function label(turn: Turn, session: Session, worker: Worker, labels: Labels): void {
  worker.record.labels = labels;
  worker.record.givenLabels = labels;
  audit(turn, session, 'worker.labelled', worker.record.id, { labels });
  turn.state.placementDue = true;
}

function revokeWorker(turn: Turn, session: Session, worker: Worker): void {
  retire(turn, worker, 'was revoked');
  audit(turn, session, 'worker.revoked', worker.record.id, {});
  if (worker.session !== 0) closeSession(turn, worker.session, 'revoked', 'an admin revoked this worker');
}

/** A donor takes the machine out of the pool for good. The close of the session is the agent's acknowledgement. */
export function leave(turn: Turn, worker: Worker): void {
  retire(turn, worker, 'left the pool');
  turn.effects.persist.workers.add(worker.record);
  emit(turn, 'worker.left', worker.record.id, '');
  closeSession(turn, worker.session, 'revoked', 'this worker left the pool, as it asked');
}

/** Revokes its credential, and releases its kinds, bindings and attempts. */
function retire(turn: Turn, worker: Worker, why: string): void {
  const { state, batch, effects } = turn;
  worker.record.revokedAt = batch.wallMs;
  for (const id of worker.credentials) {
    const token = state.tokens.get(id);
    if (!token || token.revokedAt) continue;
    token.revokedAt = batch.wallMs;
    effects.persist.tokens.add(token);
  }
  forgetKinds(turn, worker);
  releaseBindings(turn, worker, why);
  giveUp(turn, worker, why);
  effects.workers.add(worker);
}

/** All admins are one subject, and thereby one owner of tasks; a client's subject is its token's name. */
const ADMIN_SUBJECT = 'admin';

/** The end that its maker gave it; join tokens have one in any case. */
function expiryOf({ role, expiresInSeconds }: CreateToken, wallMs: number): number {
  if (expiresInSeconds) return wallMs + expiresInSeconds * 1_000;
  return role === 'join' ? wallMs + DEFAULT_JOIN_LIFE_MS : 0;
}

function createToken(
  turn: Turn,
  session: Session,
  ref: number,
  action: CreateToken,
  minted: { id: string; token: string },
): void {
  const { state, batch, effects } = turn;
  const trust = action.trust ?? 'community';
  if (action.role === 'join' && trust === 'trusted' && (action.uses ?? 1) !== 1) {
    const message = 'a join token for trusted workers is for one use only; leave `uses` out, or make several tokens';
    sendError(turn, session.id, 'invalid', message, { ref, about: 'act' });
    return;
  }
  if (
    action.role !== 'join' &&
    (action.uses !== undefined || action.owner !== undefined || action.trust !== undefined)
  ) {
    const message = '`uses`, `owner` and `trust` are for join tokens';
    sendError(turn, session.id, 'invalid', message, { ref, about: 'act' });
    return;
  }
  if (action.role === 'client' && action.name === ADMIN_SUBJECT) {
    const message = `the name '${ADMIN_SUBJECT}' is taken: a client of that name would own the admins' tasks; choose another`;
    sendError(turn, session.id, 'invalid', message, { ref, about: 'act' });
    return;
  }
  const record: TokenRecord = {
    id: minted.id,
    role: action.role,
    name: action.name,
    subject: action.role === 'admin' ? ADMIN_SUBJECT : action.name,
    owner: action.owner ?? action.name,
    trust,
    createdAt: batch.wallMs,
    expiresAt: expiryOf(action, batch.wallMs),
    usesLeft: action.role === 'join' ? (action.uses ?? (trust === 'trusted' ? 1 : DEFAULT_JOIN_USES)) : -1,
    revokedAt: 0,
    lastUsedAt: 0,
  };
  state.tokens.set(record.id, record);
  effects.persist.tokens.add(record);
  audit(turn, session, 'token.created', record.id, { role: record.role, name: record.name });
  sendReply(turn, session.id, ref, { token: minted.token, view: viewToken(record) });
}

function revokeToken(turn: Turn, session: Session, ref: number, id: string): void {
  const { state, batch, effects } = turn;
  const token = state.tokens.get(id);
  if (!token) {
    sendError(turn, session.id, 'not_found', `there is no token ${id}`, { ref, about: 'act' });
    return;
  }
  if (!token.revokedAt) {
    token.revokedAt = batch.wallMs;
    effects.persist.tokens.add(token);
    audit(turn, session, 'token.revoked', token.id, {});
    for (const other of state.sessions.values()) {
      if (other.token === id) closeSession(turn, other.id, 'revoked', 'the token was revoked');
    }
  }
  sendReply(turn, session.id, ref, viewToken(token));
}
