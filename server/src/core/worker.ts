/** A worker: its stored record (identity, hardware), and what is live while it has a session (services, attempts). */
import type { Hardware, LoadSample } from '@rma/protocol/hardware';
import type { Constraints, Labels, Trust } from '@rma/protocol/task';
import type { Tier } from '@rma/protocol/tiers';
import type { Assignment, Available, Service } from '@rma/protocol/worker';
import type { DonorPolicy, Engine } from '@rma/protocol/workload';
import type { Attempt } from './attempt.js';
import type { Eligibility, Machine, PlacedRuntime } from './placement/eligibility.js';
import { largestGpu } from './placement/resources.js';

/** What is stored of a worker. */
export interface WorkerRecord {
  readonly id: string;
  /** Random, made by the agent; with the join token it makes a first join idempotent. */
  readonly joinKey: string;
  readonly joinToken: string;
  readonly owner: string;
  readonly trust: Trust;
  readonly joinedAt: number;
  name: string;
  labels: Labels;
  /** Set by an admin, and in force over what the agent reports; null where no admin set any. */
  givenName: string | null;
  givenLabels: Labels | null;
  tier: Tier | null;
  pinnedTier: Tier | null;
  reasons: readonly string[];
  hardware: Hardware;
  available: readonly Available[];
  instance: string;
  /** Name and version of the agent, as in its last hello; '' where none is stored yet. */
  agentVersion: string;
  lastSeenAt: number;
  draining: boolean;
  revokedAt: number;
}

export interface LiveService {
  readonly service: Service;
  /** Slots taken, as the worker's attempts tell: see attempt.ts. */
  used: number;
  /** Wall-clock ms since which it is in its state. */
  readonly sinceMs: number;
  /** While an image is pulled: where the estimate starts, and when (wall-clock ms) an event reported it last. */
  readonly pull?: { readonly fromBytes: number; readonly fromMs: number; readonly reportedMs: number };
}

/** A catalogue workload that placement put on a worker. */
export interface Placed {
  readonly runtime: PlacedRuntime;
  readonly reason: string;
  /** Monotonic ms. */
  readonly sinceMs: number;
  /** Monotonic ms at which it last had work. */
  busyAtMs: number;
  /** Monotonic ms since which it has neither a healthy nor a starting service; 0 while it has one. */
  failingMs: number;
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
  /** Its attempts, by `task#attempt`; changed by attempt.ts alone. */
  readonly attempts: Map<string, Attempt>;
  /** How many of them are `running`. */
  running: number;
  /** Ids of its credentials, the newest last. */
  readonly credentials: string[];
  /** The kinds that it made known. */
  readonly kinds: Set<string>;
  /** Failures in a row of tasks with which another worker succeeded: see reputation.ts. */
  blame: number;
  /** Active ms until which it gets no tasks because of them; 0 for none. */
  restUntilMs: number;
  /** Accepted outputs, as far as they count for the slots that are believed: see matching/believed-slots.ts. */
  proven: number;
  load: LoadSample | null;
  engine: Engine | undefined;
  policy: DonorPolicy | undefined;
  /** Catalogue workloads that placement put here, by name. */
  readonly placed: Map<string, Placed>;
  /** Cache, by workload; null once anything that it depends on changed. */
  eligibility: Map<string, Eligibility> | null;
  /** Monotonic ms at which its last session ended; 0 before the first end. */
  leftMs: number;
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
    attempts: new Map(),
    running: 0,
    credentials: [],
    kinds: new Set(),
    blame: 0,
    restUntilMs: 0,
    proven: 0,
    load: null,
    engine: undefined,
    policy: undefined,
    placed: new Map(),
    eligibility: null,
    leftMs: 0,
    assignment,
  };
}

export const tierOf = (worker: Worker): Tier | null => worker.record.pinnedTier ?? worker.record.tier;
/** New tasks may be dispatched to it: it has a session, and neither itself, an admin nor its donor stopped it. */
export const acceptsTasks = (worker: Worker): boolean =>
  worker.session !== 0 &&
  !worker.leaving &&
  !worker.record.draining &&
  !worker.policy?.paused &&
  worker.restUntilMs === 0 &&
  worker.record.revokedAt === 0;

/** Whether a service runs tasks of this kind now, with this model if any is required; Ollama's `:latest` may be left out. */
export function serves({ service }: LiveService, kind: string, model?: string): boolean {
  return (
    service.state === 'healthy' &&
    service.kinds.includes(kind) &&
    (model === undefined || service.models?.some((name) => name === model || name === `${model}:latest`) === true)
  );
}

/** The first healthy service with a free slot: `used < slots`. */
export function freeService(worker: Worker, kind: string, model?: string): LiveService | undefined {
  for (const live of worker.services.values()) {
    if (live.used < live.service.slots && serves(live, kind, model)) return live;
  }
  return undefined;
}

export function servesKind(worker: Worker, kind: string, model?: string): boolean {
  for (const live of worker.services.values()) if (serves(live, kind, model)) return true;
  return false;
}

export function freeSlotsFor(worker: Worker, kind: string, model?: string): number {
  let free = 0;
  for (const live of worker.services.values()) {
    if (serves(live, kind, model)) free += Math.max(0, live.service.slots - live.used);
  }
  return free;
}

/** Of a service's states, those on the way to `healthy`. */
export function isStarting(state: Service['state']): boolean {
  return state === 'pending' || state === 'pulling' || state === 'starting';
}

/** Why this worker may not run a task with these constraints; undefined when it may. */
export function mismatch(worker: Worker, constraints: Constraints): string | undefined {
  if (constraints.worker !== undefined && constraints.worker !== worker.record.id) return 'is not the worker asked for';
  if (constraints.trust === 'trusted' && worker.record.trust !== 'trusted') return 'is not trusted';
  if (constraints.tier !== undefined) {
    const tier = tierOf(worker);
    if (tier === null || tier > constraints.tier) return `is not of tier ${constraints.tier}`;
  }
  if (constraints.minVramMiB !== undefined) {
    const vramMiB = largestGpu(worker.record.hardware)?.vramMiB ?? 0;
    if (vramMiB < constraints.minVramMiB) return `has less than ${constraints.minVramMiB} MiB of VRAM`;
  }
  const { labels } = constraints;
  for (const name in labels) {
    if (worker.record.labels[name] !== labels[name]) return `lacks the label ${name}=${labels[name]}`;
  }
  return undefined;
}

/** @param live what only a session reports; absent for a worker that has not reconnected since the start */
export function machineOf(
  record: WorkerRecord,
  live?: { readonly engine: Engine | undefined; readonly policy: DonorPolicy | undefined },
): Machine {
  return {
    tier: record.pinnedTier ?? record.tier,
    trusted: record.trust === 'trusted',
    hardware: record.hardware,
    available: record.available,
    engine: live?.engine,
    policy: live?.policy,
  };
}
