/** How sessions begin and end, whatever their role. */
import type { Role, Welcome } from '@rma/protocol/down';
import type { CloseName } from '@rma/protocol/error';
import { HEARTBEAT_MS, SILENCE_MS } from '@rma/protocol/liveness';
import { FEATURES, PROTOCOL_VERSION } from '@rma/protocol/version';
import { count, outgoingOf } from './effects.js';
import type { HelloInput } from './inputs.js';
import type { TokenRecord } from './token.js';
import { emit, sendError, type Turn } from './turn.js';
import { dropWatch } from './watch.js';
import type { Worker } from './worker.js';

/** Sends an error to a connection that has no session yet, and closes it. */
export function refuse(turn: Turn, session: number, name: CloseName, message: string): void {
  sendError(turn, session, name === 'bad_frame' ? 'invalid' : 'unauthenticated', message, { about: 'hello' });
  outgoingOf(turn.effects, session).close = { name, message };
}

/** Ends a session at once: inputs of it that are still queued find no session and are ignored. */
export function closeSession(turn: Turn, session: number, name: CloseName, message: string): void {
  refuse(turn, session, name, message);
  closed(turn, session, name);
}

/** The earlier of two expiries; 0 means never. */
const earlierOf = (a: number, b: number): number => (a && b ? Math.min(a, b) : a || b);

export function openSession(
  turn: Turn,
  input: HelloInput,
  role: Role,
  token: TokenRecord,
  subject: string,
  worker: string | null,
): void {
  count(turn.state.sessionsByRole, role, 1);
  turn.state.sessions.set(input.session, {
    id: input.session,
    role,
    subject,
    token: token.id,
    address: input.address,
    expiresAt: earlierOf(token.expiresAt, input.token.expiresAt ?? 0),
    worker,
    watching: new Set(),
  });
}

export function welcome({ session, message }: HelloInput, role: Role, subject: string): Welcome {
  return {
    type: 'welcome',
    protocol: PROTOCOL_VERSION,
    session: String(session),
    role,
    subject,
    // Filled in by the socket layer, which knows the version.
    server: { name: 'rma-coordinator', version: '' },
    features: FEATURES.filter((feature) => message.features?.includes(feature)),
    heartbeatMs: HEARTBEAT_MS,
    silenceMs: SILENCE_MS,
  };
}

function clearSession(worker: Worker): void {
  worker.session = 0;
  worker.services.clear();
  worker.load = null;
  worker.address = '';
}

/** A connection has ended, by either side. A worker keeps its attempts for the grace period. */
export function closed(turn: Turn, id: number, reason: string): void {
  const { state, batch, effects } = turn;
  const session = state.sessions.get(id);
  if (!session) return;
  state.sessions.delete(id);
  count(state.sessionsByRole, session.role, -1);
  for (const task of [...session.watching]) dropWatch(turn, session, task);
  const worker = session.worker === null ? undefined : state.workers.get(session.worker);
  if (!worker || worker.session !== id) return;
  clearSession(worker);
  worker.leftMs = batch.nowMs;
  state.placementDue = true;
  effects.workers.add(worker);
  worker.record.lastSeenAt = batch.wallMs;
  if (worker.running > 0) {
    const { workerGraceMs, startGraceMs } = state.settings;
    worker.graceUntilMs = batch.nowMs + (batch.nowMs < state.stalledUntilMs ? startGraceMs : workerGraceMs);
  }
  effects.persist.workers.add(worker.record);
  emit(turn, 'worker.offline', worker.record.id, '', { reason });
}
