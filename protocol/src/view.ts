/** Views: what queries answer. */
import { type Static, Type } from 'typebox';
import { Hardware, LoadSample } from './hardware.js';
import { oneOf } from './one-of.js';
import { Constraints, Failure, Kind, Labels, TaskId, TaskState, Trust, UnixMs, WorkerId } from './task.js';
import { Service, Tier } from './worker.js';
import { DonorPolicy, Engine } from './workload.js';

export const WORKER_STATES = ['online', 'draining', 'away', 'offline', 'revoked'] as const;
export const WorkerState = oneOf(WORKER_STATES, { description: 'away: without a session, within its grace' });
export type WorkerState = (typeof WORKER_STATES)[number];

/** A worker, as an admin sees it; a client does not see owner, address and hardware. */
export const WorkerView = Type.Object({
  id: WorkerId,
  name: Type.String(),
  state: WorkerState,
  tier: Tier,
  pinned: Type.Boolean(),
  reasons: Type.Array(Type.String()),
  trust: Trust,
  labels: Labels,
  services: Type.Array(Service),
  running: Type.Integer(),
  load: Type.Optional(LoadSample),
  joinedAt: UnixMs,
  lastSeenAt: UnixMs,
  owner: Type.Optional(Type.String()),
  address: Type.Optional(Type.String()),
  hardware: Type.Optional(Hardware),
  engine: Type.Optional(Engine),
  policy: Type.Optional(DonorPolicy),
});
export type WorkerView = Static<typeof WorkerView>;

export const AttemptView = Type.Object({
  attempt: Type.Integer(),
  worker: Type.Optional(WorkerId),
  startedAt: UnixMs,
  endedAt: Type.Optional(UnixMs),
  error: Type.Optional(Failure),
});
export type AttemptView = Static<typeof AttemptView>;

/** A task in a list. */
export const TaskView = Type.Object({
  id: TaskId,
  kind: Kind,
  state: TaskState,
  priority: Type.Integer(),
  attempt: Type.Integer({ description: 'how many attempts began' }),
  owner: Type.String(),
  worker: Type.Optional(WorkerId),
  submittedAt: UnixMs,
  startedAt: Type.Optional(UnixMs),
  endedAt: Type.Optional(UnixMs),
  dueAt: Type.Optional(UnixMs),
  error: Type.Optional(Failure),
});
export type TaskView = Static<typeof TaskView>;

/** One task with its past, and why it waits. */
export const TaskDetail = Type.Intersect([
  TaskView,
  Type.Object({
    constraints: Type.Optional(Constraints),
    attempts: Type.Array(AttemptView),
    inputBytes: Type.Integer(),
    outputBytes: Type.Optional(Type.Integer()),
    waiting: Type.Optional(Type.String({ description: 'why the task is not running yet, in plain words' })),
  }),
]);
export type TaskDetail = Static<typeof TaskDetail>;

const Counts = Type.Record(Type.String(), Type.Integer());

export const StatsView = Type.Object({
  version: Type.String(),
  transport: Type.String(),
  uptimeSeconds: Type.Integer(),
  workers: Type.Object({ total: Type.Integer(), online: Type.Integer(), byTier: Counts, byState: Counts }),
  tasks: Type.Object({
    queued: Type.Integer(),
    running: Type.Integer(),
    byState: Counts,
    queuedByKind: Counts,
  }),
  sessions: Counts,
  storage: Type.Object({ state: Type.String(), bytes: Type.Integer() }),
  lastEvent: Type.Integer(),
});
export type StatsView = Static<typeof StatsView>;

/** Where workloads run and may run: a page of workers, each with one cell a workload. */
export const PlacementView = Type.Object({
  workloads: Type.Array(
    Type.Object({
      workload: Type.String(),
      title: Type.String(),
      kinds: Type.Array(Kind),
      floor: Type.Integer(),
      ceiling: Type.Integer(),
      replicas: Type.Integer({ description: 'that run or are being started on workers that are here' }),
      waiting: Type.Integer({ description: 'queued tasks of its kinds' }),
      boundTo: Type.Optional(WorkerId),
      unmet: Type.Optional(Type.String({ description: 'why it is wanted and does not run' })),
    }),
  ),
  workers: Type.Array(
    Type.Object({
      worker: WorkerId,
      name: Type.String(),
      state: WorkerState,
      tier: Tier,
      cells: Type.Array(
        Type.Object({
          workload: Type.String(),
          status: oneOf(['runs', 'starting', 'failing', 'embedded', 'could', 'cannot'], {
            description: 'starting: assigned, not healthy yet; embedded: fills what is left of the machine',
          }),
          reason: Type.String(),
        }),
      ),
    }),
  ),
});
export type PlacementView = Static<typeof PlacementView>;

/** The catalogue that is in force. */
export const CatalogView = Type.Object({
  source: Type.String(),
  refused: Type.Optional(Type.String({ description: 'what is wrong with a newer version of it' })),
  workloads: Type.Array(
    Type.Object({
      workload: Type.String(),
      title: Type.String(),
      tier: Tier,
      kinds: Type.Array(Kind),
      models: Type.Array(Type.String()),
      image: Type.Optional(Type.String()),
      digest: Type.Optional(Type.String()),
      embedded: Type.Optional(Type.String()),
      everywhere: Type.Boolean(),
      trusted: Type.Boolean(),
      stateful: Type.Boolean(),
      floor: Type.Integer(),
      ceiling: Type.Integer(),
      idleSeconds: Type.Integer(),
    }),
  ),
});
export type CatalogView = Static<typeof CatalogView>;

export const TokenRole = oneOf(['admin', 'client', 'join']);
export type TokenRole = Static<typeof TokenRole>;

export const TokenView = Type.Object({
  id: Type.String(),
  role: oneOf(['admin', 'client', 'join', 'worker']),
  name: Type.String(),
  subject: Type.String(),
  createdAt: UnixMs,
  expiresAt: Type.Optional(UnixMs),
  usesLeft: Type.Optional(Type.Integer()),
  trust: Type.Optional(Trust),
  owner: Type.Optional(Type.String()),
  revokedAt: Type.Optional(UnixMs),
  lastUsedAt: Type.Optional(UnixMs),
});
export type TokenView = Static<typeof TokenView>;
