/** Worker sessions: first joins, reconnects, and what a worker's hello reports. */
import { classify } from '@rma/protocol/tiers';
import type { Verdict, WorkerHello } from '@rma/protocol/worker';
import { outgoingOf } from './effects.js';
import { addCredential, credentialUsed, descriptionFault, takeJoin } from './enrolment.js';
import type { HelloInput } from './inputs.js';
import { assign } from './placement/assign.js';
import { emitAssigned, reassign } from './placement/assignments.js';
import { adoptReplicas, bindHealthy, setPolicy } from './placement/changes.js';
import { reconcile } from './reconcile.js';
import { applyServices } from './services.js';
import { closeSession, openSession, refuse, welcome } from './sessions.js';
import type { TokenRecord } from './token.js';
import { emit, sendError, type Turn } from './turn.js';
import { machineOf, makeWorker, tierOf, type Worker, type WorkerRecord } from './worker.js';

/** When a machine may try again that found the token's joins used up for the moment. */
const JOIN_RETRY_MS = 10_000;

/** A worker that was admitted: with its own credential, or by a join token that yields one. */
interface Admitted {
  readonly worker: Worker;
  /** The worker's own, which the session ends with. */
  readonly token: TokenRecord;
  /** To send with the welcome; only where a join token made a new one. */
  readonly credential?: string;
}

export function helloWorker(turn: Turn, input: HelloInput, token: TokenRecord, hello: WorkerHello): void {
  const fault = descriptionFault(hello);
  if (fault !== undefined) {
    refuse(turn, input.session, 'bad_frame', fault);
    return;
  }
  const admitted = token.role === 'worker' ? readmit(turn, input, token) : admit(turn, input, token, hello);
  if (!admitted) return;
  const { worker, credential } = admitted;
  const { id, owner } = worker.record;
  if (worker.session !== 0) closeSession(turn, worker.session, 'replaced', 'the same worker connected again');
  openSession(turn, input, 'worker', admitted.token, owner, id);
  const verdicts = arrive(turn, input, worker, hello);
  outgoingOf(turn.effects, input.session).welcome = {
    ...welcome(input, 'worker', owner),
    worker: {
      id,
      // As the hello just set it.
      name: worker.record.name,
      ...(credential === undefined ? {} : { credential }),
      verdicts,
      assignment: worker.assignment,
    },
  };
}

function readmit(turn: Turn, input: HelloInput, token: TokenRecord): Admitted | undefined {
  const worker = turn.state.workers.get(token.subject);
  if (worker && !worker.record.revokedAt) {
    credentialUsed(turn, worker, token.id);
    return { worker, token };
  }
  const message = `the worker ${token.subject} was revoked; join anew with a join token`;
  refuse(turn, input.session, 'revoked', message);
  return undefined;
}

/** A join with the same token and key finds the worker of the first one: a lost welcome consumes no second use. */
function admit(turn: Turn, input: HelloInput, token: TokenRecord, hello: WorkerHello): Admitted | undefined {
  const { state, batch, effects } = turn;
  const known = state.joins.get(`${token.id} ${hello.key}`);
  if (known?.record.revokedAt) {
    refuse(turn, input.session, 'revoked', `the worker ${known.record.id} was revoked`);
    return undefined;
  }
  if (!known && token.usesLeft === 0) {
    refuse(turn, input.session, 'unauthenticated', 'the join token is used up; ask the admin for a new one');
    return undefined;
  }
  const later = known ? undefined : whyLater(turn, token);
  if (later !== undefined) {
    sendError(turn, input.session, 'rate_limited', later, { about: 'hello' });
    outgoingOf(effects, input.session).close = { name: 'restart', message: later, reconnectAfterMs: JOIN_RETRY_MS };
    return undefined;
  }
  const { candidate } = input;
  if (!candidate) throw new Error('a join without a candidate');
  const worker = known ?? join(turn, token, hello, candidate.worker);
  const { name, id, owner, trust } = worker.record;
  const own: TokenRecord = {
    id: candidate.tokenId,
    role: 'worker',
    name,
    subject: id,
    owner,
    trust,
    createdAt: batch.wallMs,
    expiresAt: 0,
    usesLeft: -1,
    revokedAt: 0,
    lastUsedAt: batch.wallMs,
  };
  addCredential(turn, worker, own);
  return { worker, token: own, credential: candidate.credential };
}

/** Why another machine may join later only; undefined where it may now, and its join is counted. */
function whyLater(turn: Turn, token: TokenRecord): string | undefined {
  const { workers, settings } = turn.state;
  if (workers.size >= settings.maxWorkers) {
    return `the pool knows ${settings.maxWorkers} workers (maxWorkers); dial again when some were forgotten`;
  }
  return takeJoin(turn, token.id) ? undefined : 'too many machines join with this token at once; dial again';
}

function join(turn: Turn, token: TokenRecord, hello: WorkerHello, id: string): Worker {
  const { state, batch, effects } = turn;
  if (token.usesLeft > 0) token.usesLeft--;
  effects.persist.tokens.add(token);
  const { tier, reasons } = classify(hello.hardware);
  const record: WorkerRecord = {
    id,
    joinKey: hello.key,
    joinToken: token.id,
    owner: token.owner,
    trust: token.trust,
    joinedAt: batch.wallMs,
    name: hello.name ?? id,
    labels: {},
    givenName: null,
    givenLabels: null,
    tier,
    pinnedTier: null,
    reasons,
    hardware: hello.hardware,
    available: [],
    instance: '',
    agentVersion: '',
    lastSeenAt: batch.wallMs,
    draining: false,
    revokedAt: 0,
  };
  const worker = makeWorker(record, assign(machineOf(record), null, [], state.catalog));
  state.workers.set(id, worker);
  state.joins.set(`${token.id} ${hello.key}`, worker);
  const { name, owner, trust } = record;
  emit(turn, 'worker.joined', id, '', { name, tier, reasons, owner, trust });
  return worker;
}

/** A worker has a session again: takes over what its hello reports, and gives a verdict on each of its attempts. */
function arrive(turn: Turn, input: HelloInput, worker: Worker, hello: WorkerHello): Verdict[] {
  const { batch, effects } = turn;
  const { record } = worker;
  const { agent } = input.message;
  const restarted = hello.instance === undefined || hello.instance !== record.instance;
  const before = record.tier;
  worker.session = input.session;
  effects.workers.add(worker);
  worker.address = input.address;
  worker.leaving = hello.draining ?? false;
  worker.graceUntilMs = 0;
  record.name = record.givenName ?? hello.name ?? record.name;
  record.labels = record.givenLabels ?? hello.labels ?? {};
  record.hardware = hello.hardware;
  record.available = hello.available;
  record.instance = hello.instance ?? '';
  record.agentVersion = `${agent.name} ${agent.version}`;
  record.tier = classify(hello.hardware).tier;
  record.lastSeenAt = batch.wallMs;
  effects.persist.workers.add(record);
  worker.engine = hello.engine;
  setPolicy(worker, hello.policy);
  emit(turn, 'worker.online', record.id, '', { name: record.name, tier: tierOf(worker) });
  const verdicts = reconcile(turn, worker, hello, restarted);
  applyServices(turn, worker, hello.services);
  adoptReplicas(turn, worker);
  bindHealthy(turn, worker);
  reassign(turn.state, worker);
  turn.state.placementDue = true;
  if (before !== record.tier || restarted) emitAssigned(turn, worker);
  return verdicts;
}
