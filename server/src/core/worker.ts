/** A worker as the core knows it: identity and hardware for life, services and attempts while it has a session. */
import type { Hardware, LoadSample } from '@rma/protocol/hardware';
import type { Constraints, Labels, Trust } from '@rma/protocol/task';
import type { Tier } from '@rma/protocol/tiers';
import type { Assignment, Available, Service } from '@rma/protocol/worker';
import type { DonorPolicy, Engine } from '@rma/protocol/workload';
import type { Form, Machine, PlacedRuntime } from './placement/form.js';
import { largestGpu } from './placement/need.js';
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
  /** Wall-clock ms since which it is in its state. */
  readonly sinceMs: number;
  /** While an image is pulled: where it began, for an estimate, and what was told last. */
  readonly pull?: { readonly fromBytes: number; readonly fromMs: number; readonly toldMs: number };
}

/** A catalogue workload that placement put on a worker. */
export interface Placed {
  readonly runtime: PlacedRuntime;
  readonly reason: string;
  /** Monotonic ms. */
  readonly sinceMs: number;
  busyAtMs: number;
  /** Since when it is not what it should be; 0 while it is. */
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
  /** Attempts that count, by task id. */
  readonly running: Map<string, Task>;
  /** Attempts that no longer count but still hold a slot until the agent confirms, by `task#attempt`. */
  readonly stopping: Map<string, { readonly service: string; readonly sinceMs: number }>;
  load: LoadSample | null;
  engine: Engine | undefined;
  policy: DonorPolicy | undefined;
  /** Catalogue workloads that it shall run, by name. */
  readonly placed: Map<string, Placed>;
  /** In which form it may run which workload; null until somebody asks. */
  forms: Map<string, Form> | null;
  /** Monotonic ms at which its last session ended, 0 before: what it ran counts for a while. */
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
    running: new Map(),
    stopping: new Map(),
    load: null,
    engine: undefined,
    policy: undefined,
    placed: new Map(),
    forms: null,
    leftMs: 0,
    assignment,
  };
}

export const attemptKey = (task: string, attempt: number): string => `${task}#${attempt}`;
export const tierOf = (worker: Worker): Tier | null => worker.record.pinnedTier ?? worker.record.tier;
export const takesTasks = (worker: Worker): boolean =>
  worker.session !== 0 &&
  !worker.leaving &&
  !worker.record.draining &&
  !worker.policy?.paused &&
  worker.record.revokedAt === 0;

/** A healthy service that takes tasks of this kind, and of this model where one is asked for; Ollama's `:latest` may be left out. */
export function serves({ service }: LiveService, kind: string, model?: string): boolean {
  return (
    service.state === 'healthy' &&
    service.kinds.includes(kind) &&
    (model === undefined || service.models?.some((name) => name === model || name === `${model}:latest`) === true)
  );
}

/** The healthy service with room for a task of this kind. */
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
  for (const [name, value] of Object.entries(constraints.labels ?? {})) {
    if (worker.record.labels[name] !== value) return `lacks the label ${name}=${value}`;
  }
  return undefined;
}

/** What placement knows of a worker; `live` is absent for one that has yet to come back. */
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
