/**
 * Topics: live views that a subscriber gets as a snapshot and then as changes, at most four a second. A change carries
 * values, never differences, so that applying it twice is harmless. Subscribers of equal views share frames: the reply to
 * `subscribe` carries the `key` of the view, and so does each of its messages.
 */
import { type Static, type TSchema, Type } from 'typebox';
import { column } from './column.js';
import { LIMITS } from './limits.js';
import { oneOf, openWord } from './one-of.js';
import { PoolEvent } from './pool-event.js';
import { CLIENTS, type Role } from './role-name.js';
import { Kind, Labels, Name, TaskId, TaskState, Trust, UnixMs, WorkerId } from './task.js';
import { JoinInfo, KindView, TaskView, WorkerState, WorkerView } from './view.js';
import { ServiceState, Tier } from './worker.js';

/** The tasks of a `tasks` topic: the newest `limit` that match every field. */
export const TaskTopicFilter = Type.Object({
  states: Type.Optional(Type.Array(TaskState, { minItems: 1, maxItems: 7 })),
  kind: Type.Optional(Kind),
  owner: Type.Optional(Type.Unsafe<string>({ ...Name, description: 'for admins; a client sees its own only' })),
  worker: Type.Optional(
    Type.Unsafe<string>({ ...WorkerId, description: 'whose latest attempt is or was on this worker' }),
  ),
  limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 200, description: 'default 100' })),
});
export type TaskTopicFilter = Static<typeof TaskTopicFilter>;

const Key = Type.String({ maxLength: 512, description: 'of the subscription, from the reply to `subscribe`' });
const Snapshot = Type.Optional(
  Type.Boolean({ description: 'replaces all that is held under this key; absent: a change' }),
);
const Counts = Type.Record(Type.String(), Type.Integer());
const Count = Type.Integer({ minimum: 0 });

/**
 * Ten minutes in buckets, as columns of equal length, the oldest first: `submitted[i]` is of the `bucketMs` from
 * `from + i * bucketMs` on. The last one is still open. A change replaces the buckets from `from` on.
 */
export const History = Type.Object({
  bucketMs: Count,
  from: UnixMs,
  submitted: Type.Array(Count),
  succeeded: Type.Array(Count),
  failed: Type.Array(Type.Integer({ minimum: 0, description: 'failed or expired' })),
  cancelled: Type.Array(Count),
  queued: Type.Array(Type.Integer({ description: 'at the end of the bucket' })),
  running: Type.Array(Type.Integer({ description: 'at the end of the bucket' })),
  online: Type.Array(Type.Integer({ description: 'workers, at the end of the bucket' })),
  p50: Type.Array(
    Type.Number({ description: 'ms from submit to success of the tasks that ended in the bucket; -1 for none' }),
  ),
  p95: Type.Array(Type.Number()),
  p99: Type.Array(Type.Number()),
});
export type History = Static<typeof History>;

/** A condition that needs an admin's attention, listed for as long as it holds. */
export const Notice = Type.Object({
  fact: openWord([
    'tier.unserved',
    'kind.unserved',
    'queue.old',
    'failures.high',
    'worker.flapping',
    'storage.full',
  ] as const),
  severity: oneOf(['info', 'warning', 'critical']),
  text: Type.String({ description: 'what is wrong and what to do' }),
  subject: Type.Optional(Type.String({ description: 'the tier, kind or worker that it is about' })),
  since: UnixMs,
});
export type Notice = Static<typeof Notice>;

/** Current figures. */
export const OverviewNow = Type.Object({
  at: Type.Unsafe<number>({ ...UnixMs, description: "the coordinator's clock" }),
  workers: Type.Object({ total: Count, online: Count, byTier: Counts, byState: Counts }),
  tasks: Type.Object({ queued: Count, running: Count, scheduled: Count, byState: Counts }),
  perSecond: Type.Object(
    { submitted: Type.Number(), succeeded: Type.Number(), failed: Type.Number() },
    { description: 'mean of the last 5 s' },
  ),
  latencyMs: Type.Optional(
    Type.Object(
      { p50: Type.Number(), p95: Type.Number(), p99: Type.Number() },
      { description: 'from submit to success, of the last minute; absent: none succeeded' },
    ),
  ),
  kinds: Type.Array(KindView, {
    description: 'kinds with queued or running tasks or a service; the longest queue first, at most 200',
  }),
  facts: Type.Array(Notice),
  storage: Type.Object({ state: Type.String(), bytes: Count }),
  sessions: Counts,
  lastEvent: Count,
});
export type OverviewNow = Static<typeof OverviewNow>;

export const OverviewMessage = Type.Object(
  {
    type: Type.Literal('overview'),
    key: Key,
    snapshot: Snapshot,
    now: OverviewNow,
    history: History,
    server: Type.Optional(
      Type.Object(
        { version: Type.String(), transport: Type.String(), startedAt: UnixMs },
        { description: 'in a snapshot' },
      ),
    ),
  },
  { description: 'the pool as a whole' },
);

/** A worker in the live list. Its load, which changes every few seconds, is in `WorkerLoads`. */
export const WorkerRow = Type.Object({
  id: WorkerId,
  name: Type.String(),
  state: WorkerState,
  tier: Tier,
  pinned: Type.Boolean(),
  trust: Trust,
  labels: Labels,
  slots: Type.Integer({ description: 'of its healthy services' }),
  services: Type.Array(
    Type.Object({ name: Type.String(), state: ServiceState, workload: Type.Optional(Type.String()) }),
  ),
  joinedAt: UnixMs,
  lastSeenAt: UnixMs,
  paused: Type.Optional(Type.Boolean({ description: 'its policy makes it unavailable now; absent: no' })),
  cores: Type.Optional(Type.Number({ description: 'for admins, as are all fields below' })),
  memoryMiB: Type.Optional(Type.Integer()),
  gpu: Type.Optional(Type.String({ description: 'name of the largest' })),
  vramMiB: Type.Optional(Type.Integer({ description: 'of the largest GPU' })),
  os: Type.Optional(Type.String()),
  owner: Type.Optional(Type.String()),
  address: Type.Optional(Type.String()),
});
export type WorkerRow = Static<typeof WorkerRow>;

const Percent = Type.Array(Type.Integer({ minimum: -1, maximum: 100 }));

/** Load of some workers, as columns of equal length; -1 where it is unknown. */
export const WorkerLoads = Type.Object({
  ids: Type.Array(WorkerId),
  running: Type.Array(Count),
  cpu: Percent,
  memory: Percent,
  gpu: Type.Array(Type.Integer({ minimum: -1, maximum: 100, description: 'the busiest' })),
  celsius: Type.Array(Type.Integer({ minimum: -274, description: 'the hottest of CPU and GPUs; -274: unknown' })),
});
export type WorkerLoads = Static<typeof WorkerLoads>;

export const WorkersMessage = Type.Object(
  {
    type: Type.Literal('workers'),
    key: Key,
    snapshot: Snapshot,
    more: Type.Optional(Type.Boolean({ description: 'the snapshot goes on in the next message of this key' })),
    rows: Type.Array(WorkerRow, {
      maxItems: LIMITS.maxItems,
      description: 'new or changed; each replaces the one before',
    }),
    loads: Type.Optional(WorkerLoads),
  },
  { description: 'all workers, including revoked ones' },
);

/** A worker's load samples of ten minutes, as columns of equal length, the oldest first. A change carries the new ones. */
export const WorkerSamples = Type.Object({
  at: Type.Array(UnixMs),
  cpu: Type.Array(Type.Number({ description: '0 to 1' })),
  memoryMiB: Type.Array(Type.Integer()),
  celsius: Type.Array(Type.Number({ description: 'of the CPU; -274: unknown' })),
  running: Type.Array(Count),
  gpus: Type.Array(
    Type.Object({
      index: Type.Integer(),
      load: Type.Array(Type.Number({ description: '0 to 1; -1: unknown' })),
      vramUsedMiB: Type.Array(Type.Integer({ description: '-1: unknown' })),
      celsius: Type.Array(Type.Number()),
    }),
  ),
});
export type WorkerSamples = Static<typeof WorkerSamples>;

/** A task on a worker, running or ended. */
export const WorkerTask = Type.Object({
  task: TaskId,
  kind: Kind,
  attempt: Type.Integer(),
  startedAt: UnixMs,
  endedAt: Type.Optional(UnixMs),
  outcome: Type.Optional(openWord(['succeeded', 'failed', 'cancelled', 'requeued'] as const)),
});
export type WorkerTask = Static<typeof WorkerTask>;

export const WorkerMessage = Type.Object(
  {
    type: Type.Literal('worker'),
    key: Key,
    snapshot: Snapshot,
    view: Type.Optional(WorkerView),
    samples: Type.Optional(WorkerSamples),
    running: Type.Optional(Type.Array(WorkerTask, { description: 'for admins; at most 200, the newest' })),
    recent: Type.Optional(Type.Array(WorkerTask, { description: 'for admins; the newest first, at most 20' })),
    sessions: Type.Optional(
      Type.Array(Type.Object({ at: UnixMs, event: Type.String(), reason: Type.Optional(Type.String()) }), {
        description: 'its timeline since the coordinator started, the newest first, at most 50',
      }),
    ),
  },
  { description: 'one worker in detail; in a change, a field that is absent is as it was' },
);

export const TasksMessage = Type.Object(
  {
    type: Type.Literal('tasks'),
    key: Key,
    snapshot: Snapshot,
    tasks: Type.Array(TaskView, { maxItems: 200, description: 'new or changed; each replaces the one before' }),
    gone: Type.Optional(Type.Array(TaskId, { description: 'no longer match the filter, or are not among the newest' })),
    omitted: Type.Optional(
      Type.Integer({ description: 'changes since the last message to matching tasks that are not in it' }),
    ),
  },
  { description: 'the newest tasks that match a filter; order them by `submittedAt`, then `id`, descending' },
);

export const JoinMessage = Type.Object(
  {
    type: Type.Literal('join'),
    key: Key,
    snapshot: Snapshot,
    info: Type.Optional(JoinInfo),
    workers: Type.Array(WorkerView, {
      description: 'that joined with this token, as a client sees them; each replaces the one before',
    }),
  },
  { description: 'the state of a join token, and the workers that joined with it. Subscribing uses nothing up' },
);

export const EventTypes = Type.Array(Type.String({ maxLength: 64 }), {
  minItems: 1,
  maxItems: 32,
  description: 'types, or prefixes of types such as `worker.`',
});

export const RecentMessage = Type.Object(
  {
    type: Type.Literal('recent'),
    key: Key,
    snapshot: Snapshot,
    events: Type.Array(PoolEvent, {
      maxItems: 200,
      description: 'in order; in a change the newest since the last message: up to 12 about tasks, 24 others',
    }),
    omitted: Type.Optional(
      Type.Integer({ description: 'matching events since the last message that are not in this one' }),
    ),
  },
  { description: 'a readable sample of the events; `events` has all of them' },
);

export const KindsMessage = Type.Object(
  {
    type: Type.Literal('kinds'),
    key: Key,
    snapshot: Snapshot,
    kinds: Type.Array(KindView, {
      maxItems: LIMITS.maxItems,
      description: 'new or changed; each replaces the one before',
    }),
    gone: Type.Optional(Type.Array(Kind, { maxItems: LIMITS.maxItems, description: 'no longer known to the pool' })),
  },
  { description: 'every kind that the pool knows' },
);

interface TopicRow {
  readonly message: TSchema;
  readonly roles: readonly Role[];
}

/**
 * The topics that are live views: the message that each sends and who may subscribe. This table is the only list of
 * them: a topic without a factory in server/src/topics does not compile.
 */
export const LIVE_TOPICS = {
  overview: { message: OverviewMessage, roles: CLIENTS },
  workers: { message: WorkersMessage, roles: CLIENTS },
  worker: { message: WorkerMessage, roles: CLIENTS },
  tasks: { message: TasksMessage, roles: CLIENTS },
  join: { message: JoinMessage, roles: ['admin', 'join'] },
  recent: { message: RecentMessage, roles: CLIENTS },
  kinds: { message: KindsMessage, roles: CLIENTS },
} as const satisfies Readonly<Record<string, TopicRow>>;
export type LiveTopicName = keyof typeof LIVE_TOPICS;

/** The messages that live views send, by topic. */
export const TOPIC_MESSAGES = column(LIVE_TOPICS, 'message');
export type TopicMessageOf<T extends LiveTopicName> = Static<(typeof TOPIC_MESSAGES)[T]>;

/** All that can be subscribed to: the live views, and the stream of all events. */
export const TOPIC_ROLES = { events: CLIENTS, ...column(LIVE_TOPICS, 'roles') };
export type TopicName = keyof typeof TOPIC_ROLES;
export const TOPICS = Object.keys(TOPIC_ROLES) as TopicName[];
