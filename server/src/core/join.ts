/** Sessions: how clients and workers come in, what becomes of a reconnecting worker's attempts, and how sessions end. */
import type { Role, Welcome } from '@rma/protocol/down';
import type { CloseName } from '@rma/protocol/error';
import { HEARTBEAT_MS, SILENCE_MS } from '@rma/protocol/liveness';
import { isTerminal } from '@rma/protocol/task';
import { classify } from '@rma/protocol/tiers';
import { FEATURES, PROTOCOL_VERSION } from '@rma/protocol/version';
import type { Verdict, WorkerHello } from '@rma/protocol/worker';
import { outgoingOf } from './effects.js';
import type { HelloInput } from './inputs.js';
import { adoptAttempt, loseAttempt, release } from './life.js';
import { assign } from './placement/assign.js';
import { adoptPlaced, bindHealthy, setPolicy } from './placement/changes.js';
import { assignAnew } from './placement/run.js';
import { applyServices } from './services.js';
import type { TokenRecord } from './token.js';
import { emit, findTask, sendError, type Turn } from './turn.js';
import { dropWatch } from './watch.js';
import { attemptKey, machineOf, makeWorker, tierOf, type Worker, type WorkerRecord } from './worker.js';

export function hello(turn: Turn, input: HelloInput): void {
  const { state, batch } = turn;
  const token = state.tokens.get(input.token.id);
  const fault = tokenFault(token, batch.wallMs);
  if (!token || fault) {
    refuse(turn, input.session, token?.revokedAt ? 'revoked' : 'unauthenticated', fault ?? 'unknown token');
    return;
  }
  if (!state.readOnly) {
    if (batch.wallMs - token.lastUsedAt > 60_000) turn.effects.persist.tokens.add(token);
    token.lastUsedAt = batch.wallMs;
  }
  if (token.role === 'admin' || token.role === 'client') {
    openSession(turn, input, token.role, token, token.subject, null);
    outgoingOf(turn.effects, input.session).welcome = welcome(input.session, token.role, token.subject);
    return;
  }
  if (token.role === 'join' && !input.message.worker) {
    // Whoever holds the token may look who comes with it; that uses nothing up.
    openSession(turn, input, 'join', token, token.subject, null);
    outgoingOf(turn.effects, input.session).welcome = welcome(input.session, 'join', token.subject);
    return;
  }
  if (!input.message.worker) {
    refuse(turn, input.session, 'bad_frame', 'a worker needs `worker` in its hello');
    return;
  }
  helloWorker(turn, input, token, input.message.worker);
}

function tokenFault(token: TokenRecord | undefined, wallMs: number): string | undefined {
  if (!token) return 'this coordinator does not know the token; make a new one with `rma token create`';
  if (token.revokedAt) return 'the token was revoked; ask the admin of the pool for a new one';
  if (token.expiresAt && token.expiresAt <= wallMs)
    return 'the token has expired; make a new one with `rma token create`';
  return undefined;
}

/** Tells a connection that has no session yet what was wrong with its hello, and closes it. */
function refuse(turn: Turn, session: number, name: CloseName, message: string): void {
  sendError(turn, session, name === 'bad_frame' ? 'invalid' : 'unauthenticated', message, { about: 'hello' });
  outgoingOf(turn.effects, session).close = { name, message };
}

/** Ends a session at once: nothing that is still on its way counts any more. */
export function closeSession(turn: Turn, session: number, name: CloseName, message: string): void {
  refuse(turn, session, name, message);
  closed(turn, session, name);
}

/** The earlier of two ends, of which 0 is none. */
const endOf = (a: number, b: number): number => (a && b ? Math.min(a, b) : a || b);

function openSession(
  turn: Turn,
  input: HelloInput,
  role: Role,
  token: TokenRecord,
  subject: string,
  worker: string | null,
): void {
  turn.state.sessions.set(input.session, {
    id: input.session,
    role,
    subject,
    token: token.id,
    address: input.address,
    expiresAt: endOf(token.expiresAt, input.token.expiresAt ?? 0),
    worker,
    watching: new Set(),
  });
}

function welcome(session: number, role: Role, subject: string): Welcome {
  return {
    type: 'welcome',
    protocol: PROTOCOL_VERSION,
    session: String(session),
    role,
    subject,
    // The shell knows its version; it fills this in.
    server: { name: 'rma-coordinator', version: '' },
    features: [...FEATURES],
    heartbeatMs: HEARTBEAT_MS,
    silenceMs: SILENCE_MS,
  };
}

function helloWorker(turn: Turn, input: HelloInput, token: TokenRecord, said: WorkerHello): void {
  const { state, batch, effects } = turn;
  let worker: Worker | undefined;
  let credential: string | undefined;
  if (token.role === 'worker') {
    worker = state.workers.get(token.subject);
    if (!worker || worker.record.revokedAt) {
      refuse(turn, input.session, 'revoked', `the worker ${token.subject} was revoked; join anew with a join token`);
      return;
    }
  } else {
    worker = state.joins.get(`${token.id} ${said.key}`);
    if (worker?.record.revokedAt) {
      refuse(turn, input.session, 'revoked', `the worker ${worker.record.id} was revoked`);
      return;
    }
    if (!worker && token.usesLeft === 0) {
      refuse(turn, input.session, 'unauthenticated', 'the join token is used up; ask the admin for a new one');
      return;
    }
    const { candidate } = input;
    if (!candidate) throw new Error('a join without a candidate');
    worker ??= join(turn, token, said, candidate.worker);
    credential = candidate.credential;
    const record: TokenRecord = {
      id: candidate.tokenId,
      role: 'worker',
      name: worker.record.name,
      subject: worker.record.id,
      owner: worker.record.owner,
      trust: worker.record.trust,
      createdAt: batch.wallMs,
      expiresAt: 0,
      usesLeft: -1,
      revokedAt: 0,
      lastUsedAt: batch.wallMs,
    };
    state.tokens.set(record.id, record);
    effects.persist.tokens.add(record);
  }
  const own = credential === undefined ? token : state.tokens.get(input.candidate!.tokenId)!;
  if (worker.session !== 0) {
    closeSession(turn, worker.session, 'replaced', 'the same worker connected again');
  }
  openSession(turn, input, 'worker', own, worker.record.owner, worker.record.id);
  const verdicts = arrive(turn, input, worker, said);
  outgoingOf(effects, input.session).welcome = {
    ...welcome(input.session, 'worker', worker.record.owner),
    worker: {
      id: worker.record.id,
      name: worker.record.name,
      ...(credential === undefined ? {} : { credential }),
      verdicts,
      assignment: worker.assignment,
    },
  };
}

function join(turn: Turn, token: TokenRecord, said: WorkerHello, id: string): Worker {
  const { state, batch, effects } = turn;
  if (token.usesLeft > 0) token.usesLeft--;
  effects.persist.tokens.add(token);
  const { tier, reasons } = classify(said.hardware);
  const record: WorkerRecord = {
    id,
    joinKey: said.key,
    joinToken: token.id,
    owner: token.owner,
    trust: token.trust,
    joinedAt: batch.wallMs,
    name: said.name ?? id,
    labels: {},
    givenName: null,
    givenLabels: null,
    tier,
    pinnedTier: null,
    reasons,
    hardware: said.hardware,
    available: [],
    instance: '',
    lastSeenAt: batch.wallMs,
    draining: false,
    revokedAt: 0,
  };
  const worker = makeWorker(record, assign(machineOf(record), null, [], state.catalog));
  state.workers.set(id, worker);
  state.joins.set(`${token.id} ${said.key}`, worker);
  emit(turn, 'worker.joined', id, '', {
    name: record.name,
    tier,
    reasons,
    owner: record.owner,
    trust: record.trust,
  });
  return worker;
}

/** A worker has a session again: what it is and runs now is taken over, and every attempt gets its verdict. */
function arrive(turn: Turn, input: HelloInput, worker: Worker, said: WorkerHello): Verdict[] {
  const { batch, effects } = turn;
  const { record } = worker;
  const restarted = said.instance === undefined || said.instance !== record.instance;
  const before = record.tier;
  worker.session = input.session;
  effects.workers.add(worker);
  worker.address = input.address;
  worker.leaving = said.draining ?? false;
  worker.graceUntilMs = 0;
  worker.stopping.clear();
  record.name = record.givenName ?? said.name ?? record.name;
  record.labels = record.givenLabels ?? said.labels ?? {};
  record.hardware = said.hardware;
  record.available = said.available;
  record.instance = said.instance ?? '';
  record.tier = classify(said.hardware).tier;
  record.lastSeenAt = batch.wallMs;
  effects.persist.workers.add(record);
  worker.engine = said.engine;
  setPolicy(worker, said.policy);
  emit(turn, 'worker.online', record.id, '', { name: record.name, tier: tierOf(worker) });
  const verdicts = reconcile(turn, worker, said, restarted);
  applyServices(turn, worker, said.services);
  adoptPlaced(turn, worker);
  bindHealthy(turn, worker);
  assignAnew(turn.state, worker);
  turn.state.placementDue = true;
  if (before !== record.tier || restarted) {
    emit(turn, 'worker.assigned', record.id, '', {
      tier: worker.assignment.tier,
      reasons: worker.assignment.reasons,
      workloads: worker.assignment.workloads.map(({ workload }) => workload),
    });
  }
  return verdicts;
}

function reconcile(turn: Turn, worker: Worker, said: WorkerHello, restarted: boolean): Verdict[] {
  const unmentioned = new Set(worker.running.keys());
  const verdicts: Verdict[] = [];
  const ours = (task: string, attempt: number) => {
    const found = findTask(turn, task);
    const holds = found && found.worker === worker.record.id && found.attempt === attempt && !isTerminal(found.state);
    return holds ? found : undefined;
  };
  for (const { task, attempt } of said.running) {
    const found = ours(task, attempt);
    if (!found) {
      verdicts.push({ task, attempt, verdict: 'stop' });
      worker.stopping.set(attemptKey(task, attempt), { service: '', sinceMs: turn.batch.nowMs });
      continue;
    }
    if (found.state !== 'running') adoptAttempt(turn, found, worker);
    unmentioned.delete(task);
    verdicts.push({ task, attempt, verdict: 'keep', chunk: found.lastChunk });
  }
  for (const { task, attempt } of said.finished) {
    const found = ours(task, attempt);
    if (!found) {
      verdicts.push({ task, attempt, verdict: 'drop' });
      continue;
    }
    // Its result is about to come: nobody, this worker least of all, shall begin it anew meanwhile.
    if (found.state !== 'running') adoptAttempt(turn, found, worker);
    unmentioned.delete(task);
    verdicts.push({ task, attempt, verdict: 'resend', chunk: found.lastChunk });
  }
  for (const id of unmentioned) {
    const task = worker.running.get(id)!;
    const message = restarted
      ? `worker ${worker.record.id} restarted while it ran this`
      : `worker ${worker.record.id} never got this attempt`;
    release(turn, task, true);
    loseAttempt(turn, task, { code: 'lost', message }, restarted, !restarted);
  }
  return verdicts;
}

function leaveSession(worker: Worker): void {
  worker.session = 0;
  worker.services.clear();
  worker.stopping.clear();
  worker.load = null;
  worker.address = '';
}

/** A connection is gone, whoever ended it. */
export function closed(turn: Turn, id: number, reason: string): void {
  const { state, batch, effects } = turn;
  const session = state.sessions.get(id);
  if (!session) return;
  state.sessions.delete(id);
  for (const task of [...session.watching]) dropWatch(turn, session, task);
  const worker = session.worker === null ? undefined : state.workers.get(session.worker);
  if (!worker || worker.session !== id) return;
  leaveSession(worker);
  worker.leftMs = batch.nowMs;
  state.placementDue = true;
  effects.workers.add(worker);
  worker.record.lastSeenAt = batch.wallMs;
  if (worker.running.size > 0) worker.graceUntilMs = batch.nowMs + state.settings.workerGraceMs;
  effects.persist.workers.add(worker.record);
  emit(turn, 'worker.offline', worker.record.id, '', { reason });
}

/** Everything that runs on a worker is stopped there and waits again, at no cost to the tasks. */
export function handBack(turn: Turn, worker: Worker, reason: string): void {
  for (const task of [...worker.running.values()]) {
    if (worker.session !== 0) {
      outgoingOf(turn.effects, worker.session).stops.push({ task: task.id, attempt: task.attempt, reason });
    }
    release(turn, task, false);
    loseAttempt(turn, task, { code: 'cancelled', message: `${reason} (${worker.record.id})` }, false);
  }
}

/** The worker is given up: every attempt of its goes back to the queue. */
export function giveUp(turn: Turn, worker: Worker, reason: string): void {
  worker.graceUntilMs = 0;
  turn.effects.workers.add(worker);
  const attempts = [...worker.running.values()];
  if (attempts.length === 0) return;
  emit(turn, 'worker.lost', worker.record.id, '', { attempts: attempts.length });
  for (const task of attempts) {
    release(turn, task, true);
    loseAttempt(turn, task, { code: 'lost', message: `worker ${worker.record.id} ${reason}` }, true, true);
  }
}
