/**
 * Kinds that workers make known, and their quotas: a kind is known, beside the built-in ones and the catalogue's, while a
 * worker that ever offered it is in the pool. What workers may make known is bounded for each worker, for the workers of
 * one join token, and for the pool; beyond that an offered kind is ignored.
 */
import type { Service } from '@rma/protocol/worker';
import type { State } from './state.js';
import type { Turn } from './turn.js';
import type { Worker } from './worker.js';

const MAX_KINDS_PER_WORKER = 256;

/** The kinds of a healthy service are known from now on. */
export function learnKinds(turn: Turn, worker: Worker, service: Service): void {
  if (service.state !== 'healthy') return;
  for (const kind of service.kinds) {
    if (worker.kinds.has(kind) || worker.kinds.size >= MAX_KINDS_PER_WORKER || !admits(turn.state, worker, kind))
      continue;
    addKind(turn.state, worker, kind);
    turn.effects.persist.kinds.push({ kind, worker: worker.record.id });
  }
}

/** Whether the kind is known already, or the quotas have room for another one. */
function admits({ knownKinds, kindTokens, kindsPerToken, settings }: State, worker: Worker, kind: string): boolean {
  if (knownKinds.has(kind)) return true;
  const ofToken = kindsPerToken.get(worker.record.joinToken) ?? 0;
  return kindTokens.size < settings.maxKinds && ofToken < settings.maxKindsPerToken;
}

/** Without asking for quotas: what was stored once stays. */
export function addKind({ knownKinds, kindTokens, kindsPerToken }: State, worker: Worker, kind: string): void {
  const { id, joinToken } = worker.record;
  worker.kinds.add(kind);
  const workers = knownKinds.get(kind);
  if (workers) {
    workers.add(id);
    return;
  }
  knownKinds.set(kind, new Set([id]));
  kindTokens.set(kind, joinToken);
  kindsPerToken.set(joinToken, (kindsPerToken.get(joinToken) ?? 0) + 1);
}

/** A worker is out of the pool: a kind without workers stays only if it is built in or in the catalogue. */
export function forgetKinds(turn: Turn, worker: Worker): void {
  const { state, effects } = turn;
  for (const kind of worker.kinds) {
    const workers = state.knownKinds.get(kind);
    if (!workers?.delete(worker.record.id) || workers.size > 0) continue;
    uncharge(state, kind);
    if (state.builtInKinds.has(kind) || state.catalog.kinds.has(kind)) continue;
    state.knownKinds.delete(kind);
    dropKindState(state, kind);
  }
  if (worker.kinds.size > 0) effects.persist.dropKindsOf.push(worker.record.id);
  worker.kinds.clear();
}

function uncharge({ kindTokens, kindsPerToken }: State, kind: string): void {
  const token = kindTokens.get(kind);
  if (token === undefined) return;
  kindTokens.delete(kind);
  const left = (kindsPerToken.get(token) ?? 1) - 1;
  if (left > 0) kindsPerToken.set(token, left);
  else kindsPerToken.delete(token);
}

/** What is kept of a kind goes once it is unknown and its last task ended. */
export function dropKindState({ kinds, knownKinds }: State, kind: string): void {
  const found = kinds.get(kind);
  if (found && !knownKinds.has(kind) && found.lanes.size === 0 && found.running === 0) kinds.delete(kind);
}
