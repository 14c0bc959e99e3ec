/** Every message that a dialling side (client, worker, dashboard) sends to the coordinator, and which roles may send it. */
import { type Static, type TSchema, Type } from 'typebox';
import { Action } from './action.js';
import { column } from './column.js';
import { Heartbeat } from './down.js';
import { LoadSample } from './hardware.js';
import { LIMITS } from './limits.js';
import { oneOf } from './one-of.js';
import { plainText } from './plain-text.js';
import { Query } from './query.js';
import { ADMIN, CLIENTS, ROLES, type Role, WORKER } from './role-name.js';
import { StreamAbort, StreamCredit, StreamEnd, StreamId } from './stream.js';
import { Attempt, AttemptRef, AttemptResult, BlobId, Chunk, Name, TaskId, TaskSpec, WorkerId } from './task.js';
import { EventTypes, TaskTopicFilter, TOPICS } from './topic.js';
import { LogLine, Service, WorkerHello } from './worker.js';
import { DonorPolicy, Engine } from './workload.js';

const { maxItems } = LIMITS;
const Ref = Type.Integer({
  minimum: 1,
  maximum: 4_294_967_295,
  description: 'chosen by the sender; the reply carries it',
});

export { Action, Query };

export const Hello = Type.Object(
  {
    type: Type.Literal('hello'),
    protocol: Type.Integer({ description: 'the protocol version, 1' }),
    token: Type.Optional(Type.String({ maxLength: 4_096, description: 'absent where a session cookie authenticates' })),
    agent: Type.Object({ name: Name, version: Name }),
    features: Type.Optional(Type.Array(Name, { maxItems: 64 })),
    worker: Type.Optional(WorkerHello),
  },
  { description: 'the first message of a connection' },
);
export type Hello = Static<typeof Hello>;

export const Submit = Type.Object(
  {
    type: Type.Literal('submit'),
    tasks: Type.Array(TaskSpec, { minItems: 1, maxItems }),
    watch: Type.Optional(Type.Boolean({ description: 'watch each of them as if by `watch`' })),
  },
  {
    description: 'new tasks; answered by `accepted` or `refused` for each, once on disk. Idempotent by the ids',
  },
);

export const Watch = Type.Object(
  {
    type: Type.Literal('watch'),
    tasks: Type.Array(
      Type.Object({
        task: TaskId,
        after: Type.Optional(
          Type.Object(
            { attempt: Attempt, chunk: Type.Integer({ minimum: 0 }) },
            { description: 'the last chunk seen' },
          ),
        ),
      }),
      { minItems: 1, maxItems },
    ),
  },
  { description: 'follows tasks: answered by `changed` or `ended` for each, then every change, chunk and the end' },
);

export const Unwatch = Type.Object(
  { type: Type.Literal('unwatch'), tasks: Type.Array(TaskId, { minItems: 1, maxItems }) },
  { description: 'stops following these tasks' },
);

export const Cancel = Type.Object(
  { type: Type.Literal('cancel'), ref: Ref, task: TaskId },
  { description: 'ends a task; answered by `reply` with its state once that is on disk' },
);

export const Cancels = Type.Object(
  {
    type: Type.Literal('cancels'),
    ref: Ref,
    tasks: Type.Array(TaskId, { minItems: 1, maxItems, description: 'an id named twice counts once' }),
  },
  { description: 'ends many tasks; answered by `reply` with what became of each, once all of that is on disk' },
);

export const QueryMessage = Type.Object(
  { type: Type.Literal('query'), ref: Ref, query: Query },
  { description: 'answered by `reply`' },
);

export const Subscribe = Type.Object(
  {
    type: Type.Literal('subscribe'),
    ref: Ref,
    topic: oneOf(TOPICS),
    since: Type.Optional(
      Type.Integer({ minimum: 0, description: 'for `events`: first all stored events after this number' }),
    ),
    worker: Type.Optional(Type.Unsafe<string>({ ...WorkerId, description: 'for `worker`: which' })),
    filter: Type.Optional(Type.Unsafe<TaskTopicFilter>({ ...TaskTopicFilter, description: 'for `tasks`: which' })),
    token: Type.Optional(
      Type.String({ maxLength: 64, description: 'for `join`, by an admin: the id of the join token' }),
    ),
    types: Type.Optional(Type.Unsafe<string[]>({ ...EventTypes, description: 'for `recent`: types, or prefixes' })),
    subject: Type.Optional(
      Type.String({ maxLength: 64, description: 'for `recent`: only events about this task, worker or token' }),
    ),
    audit: Type.Optional(Type.Boolean({ description: 'for `recent`, by an admin: only events that an actor caused' })),
  },
  {
    description:
      'a live view. `events`: every event from now on, or from `since`. Any other topic: the reply carries its `key`; then come a snapshot and its changes as messages of that name',
  },
);
export type Subscribe = Static<typeof Subscribe>;

export const Unsubscribe = Type.Object(
  {
    type: Type.Literal('unsubscribe'),
    topic: oneOf(TOPICS),
    key: Type.Optional(Type.String({ maxLength: 512, description: 'which of them; absent: all of the topic' })),
  },
  { description: 'ends a subscription' },
);

export const Act = Type.Object(
  { type: Type.Literal('act'), ref: Ref, action: Action },
  { description: "an admin's action; answered by `reply` once it is on disk" },
);

export const Services = Type.Object(
  { type: Type.Literal('services'), services: Type.Array(Service, { maxItems: 64 }) },
  { description: 'all services of the worker, whenever one changed; replaces the previous list' },
);

export const Sample = Type.Object(
  { type: Type.Literal('sample'), load: LoadSample },
  { description: 'the load of the machine, every 5 s' },
);

export const LogLines = Type.Object(
  {
    type: Type.Literal('log.lines'),
    ref: Type.Integer({ minimum: 1, maximum: 4_294_967_295, description: 'of the `logs` that it answers' }),
    lines: Type.Array(LogLine, {
      maxItems: LIMITS.maxLogLines,
      description: 'the oldest first, at most 64 KiB of text',
    }),
    error: Type.Optional(plainText(LIMITS.maxTextLength, 1)),
  },
  { description: 'answers `logs`' },
);

export const Drain = Type.Object(
  { type: Type.Literal('drain'), draining: Type.Boolean() },
  { description: 'the worker takes no new tasks (or takes them again); what runs goes on' },
);

export const PolicyMessage = Type.Object(
  {
    type: Type.Literal('policy'),
    policy: DonorPolicy,
    engine: Type.Optional(
      Type.Unsafe<Engine>({ ...Engine, description: 'a new or changed engine; absent: unchanged' }),
    ),
  },
  { description: "the donor's policy changed, or the container engine" },
);

export const Leave = Type.Object(
  { type: Type.Literal('leave') },
  { description: 'the worker leaves the pool for good: its credential is revoked, its attempts are requeued' },
);

export const Progress = Type.Object(
  {
    type: Type.Literal('progress'),
    task: TaskId,
    attempt: Attempt,
    fraction: Type.Number({ minimum: 0, maximum: 1 }),
    note: Type.Optional(Type.String({ maxLength: LIMITS.maxTextLength })),
  },
  { description: 'progress of an attempt; not stored' },
);

export const Chunks = Type.Object(
  { type: Type.Literal('chunks'), chunks: Type.Array(Chunk, { minItems: 1, maxItems }) },
  { description: 'partial output; acknowledged cumulatively once on disk' },
);

export const Results = Type.Object(
  { type: Type.Literal('results'), results: Type.Array(AttemptResult, { minItems: 1, maxItems }) },
  { description: 'how attempts ended; keep each until it is `acknowledged`' },
);

export const BlobPut = Type.Object(
  {
    type: Type.Literal('blob.put'),
    stream: StreamId,
    blob: BlobId,
    size: Type.Integer({ minimum: 0, maximum: LIMITS.maxBlobBytes }),
    attempt: Type.Optional(AttemptRef),
  },
  {
    description:
      'uploads bytes; answered by `blob.ready` with the offset to start from, or by `blob.stored`. A worker names its attempt',
  },
);

export const BlobGet = Type.Object(
  {
    type: Type.Literal('blob.get'),
    stream: StreamId,
    blob: BlobId,
    offset: Type.Integer({ minimum: 0, maximum: LIMITS.maxBlobBytes }),
    credit: Type.Integer({ minimum: 0, maximum: LIMITS.maxBlobBytes, description: 'bytes that may be sent at once' }),
    attempt: Type.Optional(AttemptRef),
    task: Type.Optional(Type.Unsafe<string>({ ...TaskId, description: "for admins: a task of the blob's owner" })),
  },
  { description: 'downloads bytes; answered by `blob.head`, data frames and `stream.end`. A worker names its attempt' },
);

/** Who holds subscriptions: a token of role `join` follows what becomes of it, before any machine joined with it. */
const SUBSCRIBERS: readonly Role[] = ['admin', 'client', 'join'];
/** Who has blobs to transfer. */
const STREAMERS: readonly Role[] = ['admin', 'client', 'worker'];

interface UpRow {
  readonly schema: TSchema;
  readonly roles: readonly Role[];
}

/**
 * The messages and who may send them. A first join's session has the role `worker` from `welcome` on; the role `join` is
 * that of a hello without a machine.
 */
export const UP_MESSAGES = {
  hello: { schema: Hello, roles: ROLES },
  heartbeat: { schema: Heartbeat, roles: ROLES },
  submit: { schema: Submit, roles: CLIENTS },
  watch: { schema: Watch, roles: CLIENTS },
  unwatch: { schema: Unwatch, roles: CLIENTS },
  cancel: { schema: Cancel, roles: CLIENTS },
  cancels: { schema: Cancels, roles: CLIENTS },
  query: { schema: QueryMessage, roles: CLIENTS },
  subscribe: { schema: Subscribe, roles: SUBSCRIBERS },
  unsubscribe: { schema: Unsubscribe, roles: SUBSCRIBERS },
  act: { schema: Act, roles: ADMIN },
  services: { schema: Services, roles: WORKER },
  sample: { schema: Sample, roles: WORKER },
  drain: { schema: Drain, roles: WORKER },
  policy: { schema: PolicyMessage, roles: WORKER },
  leave: { schema: Leave, roles: WORKER },
  'log.lines': { schema: LogLines, roles: WORKER },
  progress: { schema: Progress, roles: WORKER },
  chunks: { schema: Chunks, roles: WORKER },
  results: { schema: Results, roles: WORKER },
  'blob.put': { schema: BlobPut, roles: STREAMERS },
  'blob.get': { schema: BlobGet, roles: STREAMERS },
  'stream.credit': { schema: StreamCredit, roles: STREAMERS },
  'stream.end': { schema: StreamEnd, roles: STREAMERS },
  'stream.abort': { schema: StreamAbort, roles: STREAMERS },
} as const satisfies Readonly<Record<string, UpRow>>;

export const UP = column(UP_MESSAGES, 'schema');

export type UpType = keyof typeof UP;
export type Up = { [T in UpType]: Static<(typeof UP)[T]> }[UpType];
export type UpOf<T extends UpType> = Static<(typeof UP)[T]>;
