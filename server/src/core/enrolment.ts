/**
 * How machines join, and what bounds it: a join token has uses and an end, admits so many at once, and what a worker says
 * of itself has a size. Each worker has one credential, or two until the newer one was used.
 */
import type { WorkerHello } from '@rma/protocol/worker';
import type { State } from './state.js';
import type { TokenRecord } from './token.js';
import type { Turn } from './turn.js';
import type { Worker } from './worker.js';

/** A join token whose maker names no bounds: enough for a lab, and it ends. */
export const DEFAULT_JOIN_USES = 100;
export const DEFAULT_JOIN_LIFE_MS = 30 * 86_400_000;

/** What a worker says of itself is stored, and sent to dashboards: as JSON, in characters. */
export const MAX_DESCRIPTION = 65_536;

/** New workers of a join token: `burst` at once, then `perSecond`. */
const JOINS = { burst: 500, perSecond: 5 };

/** How many joins a token admits at the moment, as it was at a time. */
export interface JoinRate {
  readonly left: number;
  readonly atMs: number;
}

/** Counts a join. @returns false where it has to wait */
export function takeJoin({ state, batch }: Turn, token: string): boolean {
  const left = leftAt(state.joinRates.get(token), batch.nowMs);
  if (left < 1) return false;
  state.joinRates.set(token, { left: left - 1, atMs: batch.nowMs });
  return true;
}

function leftAt(rate: JoinRate | undefined, nowMs: number): number {
  if (!rate) return JOINS.burst;
  return Math.min(JOINS.burst, rate.left + ((nowMs - rate.atMs) / 1_000) * JOINS.perSecond);
}

/** Forgets the rates that say nothing any more. */
export function forgetRates({ joinRates }: State, nowMs: number): void {
  for (const [token, rate] of joinRates) if (leftAt(rate, nowMs) >= JOINS.burst) joinRates.delete(token);
}

/** Why a worker's description is not taken; undefined where it is. */
export function descriptionFault({
  labels,
  hardware,
  available,
  services,
  engine,
  policy,
}: WorkerHello): string | undefined {
  const size = JSON.stringify([labels, hardware, available, services, engine, policy]).length;
  if (size <= MAX_DESCRIPTION) return undefined;
  return `the worker describes itself in ${size} characters, at most ${MAX_DESCRIPTION} are taken (maxDescription); offer fewer services, or with fewer kinds and models`;
}

/** Another credential of a worker, whose welcome may be lost: of the earlier ones the last one is valid until this is used. */
export function addCredential(turn: Turn, worker: Worker, token: TokenRecord): void {
  turn.state.tokens.set(token.id, token);
  turn.effects.persist.tokens.add(token);
  worker.credentials.push(token.id);
  for (const id of worker.credentials.splice(0, worker.credentials.length - 2)) dropToken(turn, id);
}

/** The agent has stored this one: the others are over. */
export function credentialUsed(turn: Turn, worker: Worker, token: string): void {
  for (const id of worker.credentials) if (id !== token) dropToken(turn, id);
  if (worker.credentials.length > 1) worker.credentials.splice(0, worker.credentials.length, token);
}

export function dropToken({ state, effects }: Turn, id: string): void {
  state.tokens.delete(id);
  effects.persist.dropTokens.push(id);
}
