/** Every message that a dialling side (client, worker, dashboard) sends to the coordinator. */
import { type Static, Type } from 'typebox';
import { LoadSample } from './hardware.js';
import { LIMITS } from './limits.js';
import { oneOf } from './one-of.js';
import { plainText } from './plain-text.js';
import { StreamAbort, StreamCredit, StreamEnd, StreamId } from './stream.js';
import {
  Attempt,
  AttemptRef,
  AttemptResult,
  BlobId,
  Chunk,
  Kind,
  Labels,
  Name,
  TaskId,
  TaskSpec,
  TaskState,
  Trust,
  WorkerId,
} from './task.js';
import { EventTypes, TaskTopicFilter, TOPICS } from './topic.js';
import { TokenRole } from './view.js';
import { LogLine, Service, WorkerHello } from './worker.js';
import { DonorPolicy, Engine } from './workload.js';

const { maxItems } = LIMITS;
const Ref = Type.Integer({
  minimum: 1,
  maximum: 4_294_967_295,
  description: 'chosen by the sender; the reply carries it',
});

export const Hello = Type.Object(
  {
    type: Type.Literal('hello'),
    protocol: Type.Integer({ description: 'the protocol version, 1' }),
    token: Type.Optional(Type.String({ maxLength: 4_096, description: 'absent only where a cookie authenticates' })),
    agent: Type.Object({ name: Name, version: Name }),
    features: Type.Optional(Type.Array(Name, { maxItems: 64 })),
    worker: Type.Optional(WorkerHello),
  },
  { description: 'the first message of a connection' },
);
export type Hello = Static<typeof Hello>;

export const Heartbeat = Type.Object({ type: Type.Literal('heartbeat') }, { description: 'after 3 s without sending' });

export const Submit = Type.Object(
  {
    type: Type.Literal('submit'),
    tasks: Type.Array(TaskSpec, { minItems: 1, maxItems }),
    watch: Type.Optional(Type.Boolean({ description: 'watch each of them as if by `watch`' })),
  },
  {
    description: 'new tasks; answered by `accepted` or `refused` for each, once on disk. Sending one again is harmless',
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
  { description: 'answered by `changed` or `ended` for each, then by every change, chunk and the end' },
);

export const Unwatch = Type.Object(
  { type: Type.Literal('unwatch'), tasks: Type.Array(TaskId, { minItems: 1, maxItems }) },
  { description: 'no more of these tasks' },
);

export const Cancel = Type.Object(
  { type: Type.Literal('cancel'), ref: Ref, task: TaskId },
  { description: 'ends a task; answered by `reply` with its state once that is on disk' },
);

/** By id, those behind `after`; a page may be shorter than asked for, an empty one is the end. */
const PageLimit = Type.Optional(Type.Integer({ minimum: 1, maximum: 1_000 }));

export const Query = Type.Union([
  Type.Object({
    what: Type.Literal('tasks'),
    state: Type.Optional(TaskState),
    states: Type.Optional(Type.Array(TaskState, { minItems: 1, maxItems: 7, description: 'any of these' })),
    kind: Type.Optional(Kind),
    owner: Type.Optional(Type.Unsafe<string>({ ...Name, description: 'for admins; a client sees its own only' })),
    worker: Type.Optional(
      Type.Unsafe<string>({ ...WorkerId, description: 'whose latest attempt is or was on this worker' }),
    ),
    before: Type.Optional(TaskId),
    limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 1_000 })),
  }),
  Type.Object({ what: Type.Literal('task'), task: TaskId }),
  Type.Object({ what: Type.Literal('workers'), after: Type.Optional(WorkerId), limit: PageLimit }),
  Type.Object({ what: Type.Literal('stats') }),
  Type.Object({ what: Type.Literal('tokens'), after: Type.Optional(Name), limit: PageLimit }),
  Type.Object({ what: Type.Literal('placement'), after: Type.Optional(WorkerId), limit: PageLimit }),
  Type.Object({ what: Type.Literal('catalog') }),
  Type.Object({
    what: Type.Literal('events'),
    since: Type.Integer({ minimum: 0 }),
    limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 1_000 })),
  }),
  Type.Object(
    {
      what: Type.Literal('log'),
      worker: WorkerId,
      service: Type.Optional(Name),
      lines: Type.Optional(Type.Integer({ minimum: 1, maximum: LIMITS.maxLogLines })),
      since: Type.Optional(
        Type.String({ maxLength: 40, description: 'only lines after this time, as a line tells it' }),
      ),
    },
    { description: "the end of what a worker's services wrote; the worker is asked for it, nothing is stored" },
  ),
  Type.Object({
    what: Type.Literal('history'),
    before: Type.Optional(Type.Integer({ minimum: 1, description: 'events below this number; default: the newest' })),
    types: Type.Optional(EventTypes),
    subject: Type.Optional(Type.String({ maxLength: 64 })),
    limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 1_000 })),
  }),
  Type.Object({
    what: Type.Literal('audit'),
    before: Type.Optional(Type.Integer({ minimum: 1 })),
    limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 1_000 })),
  }),
  Type.Object({ what: Type.Literal('input'), task: TaskId }),
]);
export type Query = Static<typeof Query>;

export const QueryMessage = Type.Object(
  { type: Type.Literal('query'), ref: Ref, query: Query },
  { description: 'a question; answered by `reply`' },
);

export const Subscribe = Type.Object(
  {
    type: Type.Literal('subscribe'),
    ref: Ref,
    topic: oneOf(TOPICS),
    since: Type.Optional(Type.Integer({ minimum: 0, description: 'for `events`: first everything after this number' })),
    worker: Type.Optional(Type.Unsafe<string>({ ...WorkerId, description: 'for `worker`: which' })),
    filter: Type.Optional(Type.Unsafe<TaskTopicFilter>({ ...TaskTopicFilter, description: 'for `tasks`: which' })),
    token: Type.Optional(
      Type.String({ maxLength: 64, description: 'for `join`, by an admin: the id of the join token' }),
    ),
    types: Type.Optional(Type.Unsafe<string[]>({ ...EventTypes, description: 'for `recent`: types, or beginnings' })),
    subject: Type.Optional(
      Type.String({ maxLength: 64, description: 'for `recent`: events about this alone: a task, a worker, a token' }),
    ),
    audit: Type.Optional(
      Type.Boolean({ description: 'for `recent`, by an admin: events alone that somebody brought about' }),
    ),
  },
  {
    description:
      'a live view. `events`: every event from now on, or from `since`. Any other topic: the reply tells its `key`, then come a snapshot and its changes as messages of that name',
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

export const Action = Type.Union([
  Type.Object({
    do: Type.Literal('worker.pin'),
    worker: WorkerId,
    tier: Type.Union([Type.Literal(1), Type.Literal(2), Type.Literal(3), Type.Null()]),
  }),
  Type.Object({
    do: Type.Literal('worker.drain'),
    worker: WorkerId,
    draining: Type.Boolean(),
    requeue: Type.Optional(
      Type.Boolean({ description: 'stop what runs and give it to others; it costs those tasks no attempt' }),
    ),
  }),
  Type.Object({ do: Type.Literal('worker.rename'), worker: WorkerId, name: Name }),
  Type.Object({
    do: Type.Literal('worker.label'),
    worker: WorkerId,
    labels: Type.Unsafe<Labels>({
      ...Labels,
      description: 'they replace all labels, also against what the agent says',
    }),
  }),
  Type.Object({ do: Type.Literal('task.retry'), task: TaskId }),
  Type.Object({ do: Type.Literal('worker.revoke'), worker: WorkerId }),
  Type.Object({
    do: Type.Literal('token.create'),
    role: TokenRole,
    name: Name,
    expiresInSeconds: Type.Optional(Type.Integer({ minimum: 1, maximum: 315_360_000 })),
    uses: Type.Optional(Type.Integer({ minimum: 1, maximum: 1_000_000 })),
    owner: Type.Optional(Name),
    trust: Type.Optional(Trust),
  }),
  Type.Object({ do: Type.Literal('token.revoke'), token: Type.String({ maxLength: 64 }) }),
]);
export type Action = Static<typeof Action>;

export const Act = Type.Object(
  { type: Type.Literal('act'), ref: Ref, action: Action },
  { description: "an admin's action; answered by `reply` once it is on disk" },
);

export const Services = Type.Object(
  { type: Type.Literal('services'), services: Type.Array(Service, { maxItems: 64 }) },
  { description: 'all services of the worker, whenever one changed; replaces the list before' },
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
      Type.Unsafe<Engine>({ ...Engine, description: 'the machine has one now, or it is another; absent: as it was' }),
    ),
  },
  { description: 'the terms on which the machine is lent changed, or what it can run' },
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
  { description: 'how far an attempt is; not stored' },
);

export const Chunks = Type.Object(
  { type: Type.Literal('chunks'), chunks: Type.Array(Chunk, { minItems: 1, maxItems }) },
  { description: 'output while it is made; acknowledged cumulatively once on disk' },
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
    credit: Type.Integer({ minimum: 0, maximum: LIMITS.maxBlobBytes, description: 'bytes that may come at once' }),
    attempt: Type.Optional(AttemptRef),
    task: Type.Optional(
      Type.Unsafe<string>({ ...TaskId, description: "for admins: a task of the blob's owner, whoever that is" }),
    ),
  },
  { description: 'downloads bytes; answered by `blob.head`, data frames and `stream.end`. A worker names its attempt' },
);

export const UP = {
  hello: Hello,
  heartbeat: Heartbeat,
  submit: Submit,
  watch: Watch,
  unwatch: Unwatch,
  cancel: Cancel,
  query: QueryMessage,
  subscribe: Subscribe,
  unsubscribe: Unsubscribe,
  act: Act,
  services: Services,
  sample: Sample,
  drain: Drain,
  policy: PolicyMessage,
  leave: Leave,
  'log.lines': LogLines,
  progress: Progress,
  chunks: Chunks,
  results: Results,
  'blob.put': BlobPut,
  'blob.get': BlobGet,
  'stream.credit': StreamCredit,
  'stream.end': StreamEnd,
  'stream.abort': StreamAbort,
} as const;

export type UpType = keyof typeof UP;
export type Up = { [T in UpType]: Static<(typeof UP)[T]> }[UpType];
export type UpOf<T extends UpType> = Static<(typeof UP)[T]>;
