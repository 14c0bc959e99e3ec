/** A worker as the core knows it: identity and hardware for life, services and attempts while it has a session. */
import type { Hardware, LoadSample } from '@rma/protocol/hardware';
import type { Constraints, Labels, Trust } from '@rma/protocol/task';
import type { Tier } from '@rma/protocol/tiers';
import type { Assignment, Available, Service } from '@rma/protocol/worker';
import type { Task } from './task.js';

/** What is stored of a worker. */
export interface WorkerRecord {
  readonly id: string;
  /** Of the agent's making; with the join token it makes a first join idempotent. */
  readonly joinKey: string;
  readonly joinToken: string;
  readonly owner: string;
  readonly trust: Trust;
  readonly joinedAt: number;
  name: string;
  labels: Labels;
  /** What an admin set, and what the agent says does not change; null: nothing. */
  givenName: string | null;
  givenLabels: Labels | null;
  tier: Tier | null;
  pinnedTier: Tier | null;
  reasons: readonly string[];
  hardware: Hardware;
  available: readonly Available[];
  instance: string;
  lastSeenAt: number;
  draining: boolean;
  revokedAt: number;
}

export interface LiveService {
  readonly service: Service;
  /** Slots taken by running attempts and by stopped ones that are not confirmed yet. */
  used: number;
}

export interface Worker {
  readonly record: WorkerRecord;
  /** 0 without a session. */
  session: number;
  address: string;
  /** The worker itself asked for no more tasks (the record's flag is the admin's). */
  leaving: boolean;
  /** Monotonic ms at which an absent worker's attempts are given up; 0 when it is present or has none. */
  graceUntilMs: number;
  readonly services: Map<string, LiveService>;
  /** Attempts that count, by task id. */
  readonly running: Map<string, Task>;
  /** Attempts that no longer count but still hold a slot until the agent confirms, by `task#attempt`. */
  readonly stopping: Map<string, { readonly service: string; readonly sinceMs: number }>;
  load: LoadSample | null;
  assignment: Assignment;
}

export function makeWorker(record: WorkerRecord, assignment: Assignment): Worker {
  return {
    record,
    session: 0,
    address: '',
    leaving: false,
    graceUntilMs: 0,
    services: new Map(),
    running: new Map(),
    stopping: new Map(),
    load: null,
    assignment,
  };
}

export const attemptKey = (task: string, attempt: number): string => `${task}#${attempt}`;
export const tierOf = (worker: Worker): Tier | null => worker.record.pinnedTier ?? worker.record.tier;
export const takesTasks = (worker: Worker): boolean =>
  worker.session !== 0 && !worker.leaving && !worker.record.draining && worker.record.revokedAt === 0;

/** The healthy service with room for a task of this kind. */
export function freeService(worker: Worker, kind: string): LiveService | undefined {
  for (const live of worker.services.values()) {
    if (live.service.state === 'healthy' && live.used < live.service.slots && live.service.kinds.includes(kind)) {
      return live;
    }
  }
  return undefined;
}

export function servesKind(worker: Worker, kind: string): boolean {
  for (const live of worker.services.values()) {
    if (live.service.state === 'healthy' && live.service.kinds.includes(kind)) return true;
  }
  return false;
}

export function freeSlotsFor(worker: Worker, kind: string): number {
  let free = 0;
  for (const { service, used } of worker.services.values()) {
    if (service.state === 'healthy' && service.kinds.includes(kind)) free += Math.max(0, service.slots - used);
  }
  return free;
}

/** Why this worker may not run a task with these constraints; undefined when it may. */
export function mismatch(worker: Worker, constraints: Constraints): string | undefined {
  if (constraints.worker !== undefined && constraints.worker !== worker.record.id) return 'is not the worker asked for';
  if (constraints.trust === 'trusted' && worker.record.trust !== 'trusted') return 'is not trusted';
  if (constraints.tier !== undefined) {
    const tier = tierOf(worker);
    if (tier === null || tier > constraints.tier) return `is not of tier ${constraints.tier}`;
  }
  for (const [name, value] of Object.entries(constraints.labels ?? {})) {
    if (worker.record.labels[name] !== value) return `lacks the label ${name}=${value}`;
  }
  return undefined;
}
