/** Views: what the replies to queries hold. */
import { type Static, Type } from 'typebox';
import { Hardware, LoadSample } from './hardware.js';
import { oneOf } from './one-of.js';
import { PoolEvent } from './pool-event.js';
import { Constraints, Failure, Kind, Labels, TaskId, TaskState, Trust, UnixMs, WorkerId } from './task.js';
import { Service, Tier } from './worker.js';
import { DonorPolicy, Engine } from './workload.js';

export const WORKER_STATES = ['online', 'draining', 'away', 'offline', 'revoked'] as const;
export const WorkerState = oneOf(WORKER_STATES, { description: 'away: without a session, within its grace' });
export type WorkerState = (typeof WORKER_STATES)[number];

/** A worker, as an admin sees it; a client does not see what comes after `lastSeenAt`. */
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
  agentVersion: Type.Optional(
    Type.String({
      description: 'name and version of the agent, as in its last `hello`; absent: none is stored yet',
    }),
  ),
  engine: Type.Optional(Engine),
  policy: Type.Optional(DonorPolicy),
  drained: Type.Optional(Type.Boolean({ description: 'an admin drained it; true also while it is away' })),
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

/** One task with its attempts, and why it waits. */
export const TaskDetail = Type.Intersect([
  TaskView,
  Type.Object({
    constraints: Type.Optional(Constraints),
    attempts: Type.Array(AttemptView),
    inputBytes: Type.Integer(),
    outputBytes: Type.Optional(Type.Integer()),
    waiting: Type.Optional(Type.String({ description: 'why the task is not running yet' })),
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

/** A task kind that the pool knows, with figures of the whole pool. */
export const KindView = Type.Object({
  kind: Kind,
  queued: Type.Integer({ minimum: 0 }),
  running: Type.Integer({ minimum: 0 }),
  workers: Type.Integer({ description: 'online with a healthy service for it' }),
  meanRunMs: Type.Optional(
    Type.Number({ description: 'moving mean since the coordinator started; absent: none of its tasks succeeded yet' }),
  ),
});
export type KindView = Static<typeof KindView>;

/** Where workloads run and may run: a page of workers, each with one cell per workload. */
export const PlacementView = Type.Object({
  workloads: Type.Array(
    Type.Object({
      workload: Type.String(),
      title: Type.String(),
      kinds: Type.Array(Kind),
      floor: Type.Integer(),
      ceiling: Type.Integer(),
      replicas: Type.Integer({ description: 'running or being started on online workers' }),
      waiting: Type.Integer({ description: 'queued tasks of its kinds' }),
      boundTo: Type.Optional(WorkerId),
      unmet: Type.Optional(Type.String({ description: 'why it should run and does not' })),
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
            description:
              'starting: assigned, not healthy yet; embedded: runs in the resources that no placed workload reserved',
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
  refused: Type.Optional(Type.String({ description: 'why a newer version of the file was refused' })),
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

/** The state of a join token, for its holder. */
export const JoinInfo = Type.Object({
  pool: Type.String({ description: "the pool's name" }),
  token: Type.String({ description: "the token's id, not a secret" }),
  name: Type.String(),
  owner: Type.String({ description: 'the owner of a machine that joins with it' }),
  trust: Trust,
  valid: Type.Boolean({ description: 'a machine can join with it now' }),
  reason: Type.Optional(Type.String({ description: 'why it is not valid' })),
  usesLeft: Type.Optional(Type.Integer({ description: 'absent: any number' })),
  expiresAt: Type.Optional(UnixMs),
});
export type JoinInfo = Static<typeof JoinInfo>;

/** An entry of the audit log: an event that an actor caused. */
export const AuditEntry = Type.Object({
  seq: Type.Integer(),
  at: UnixMs,
  action: Type.String({ description: "the event's type, such as worker.revoked" }),
  by: Type.String({ description: 'the name of the token' }),
  token: Type.Optional(Type.String({ description: "the token's id" })),
  address: Type.Optional(Type.String()),
  subject: Type.Optional(Type.String()),
  data: Type.Optional(Type.Record(Type.String(), Type.Unknown())),
});
export type AuditEntry = Static<typeof AuditEntry>;

/** Pages of the past, the newest first. `before` is where the next page begins; absent: this was the last. */
export const AuditPage = Type.Object({ entries: Type.Array(AuditEntry), before: Type.Optional(Type.Integer()) });
export type AuditPage = Static<typeof AuditPage>;
export const EventPage = Type.Object({ events: Type.Array(PoolEvent), before: Type.Optional(Type.Integer()) });
export type EventPage = Static<typeof EventPage>;

/** What a task was submitted with. */
export const TaskInput = Type.Object({
  kind: Kind,
  input: Type.Unknown({ description: 'the value itself, bytes as bytes; a blob as its reference' }),
  blobs: Type.Optional(Type.Array(Type.String())),
  priority: Type.Integer(),
  timeoutMs: Type.Integer(),
  maxAttempts: Type.Integer(),
  constraints: Type.Optional(Constraints),
});
export type TaskInput = Static<typeof TaskInput>;
