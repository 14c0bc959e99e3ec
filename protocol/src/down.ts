/** Every message that the coordinator sends. */
import { type Static, Type } from 'typebox';
import { CLOSE } from './error.js';
import { LIMITS } from './limits.js';
import { oneOf } from './one-of.js';
import { PoolEvent } from './pool-event.js';
import { ROLES } from './role-name.js';
import { StreamAbort, StreamCredit, StreamEnd, StreamId } from './stream.js';
import { AttemptRef, BlobId, Chunk, Dispatch, Millis, Refusal, TaskChange, TaskEnd, TaskId, WorkerId } from './task.js';
import { TOPIC_MESSAGES } from './topic.js';
import { WireError } from './wire-error.js';
import { Assignment, Verdict } from './worker.js';

const Ref = Type.Integer({ description: 'of the message that it answers, or that answers it' });

export { ROLES, type Role } from './role-name.js';

const Granted = {
  messages: Type.Integer({ minimum: 0, description: 'since the session began' }),
  bytes: Type.Integer({ minimum: 0, description: 'the same' }),
};

export const Heartbeat = Type.Object({ type: Type.Literal('heartbeat') }, { description: 'after 3 s without sending' });

export const Welcome = Type.Object(
  {
    type: Type.Literal('welcome'),
    protocol: Type.Integer(),
    session: Type.String(),
    role: oneOf(ROLES),
    subject: Type.String({ description: 'whom the token names: the owner of tasks submitted in this session' }),
    server: Type.Object({ name: Type.String(), version: Type.String() }),
    features: Type.Array(Type.String()),
    heartbeatMs: Millis,
    silenceMs: Millis,
    credit: Type.Optional(
      Type.Object(Granted, { description: 'with the feature `credit`: what it may send before the first `credit`' }),
    ),
    worker: Type.Optional(
      Type.Object({
        id: WorkerId,
        name: Type.String(),
        credential: Type.Optional(
          Type.String({ description: "the worker's own token, at its first join; keep it and use it from then on" }),
        ),
        verdicts: Type.Array(Verdict, { description: 'one for each attempt that `hello` named' }),
        assignment: Assignment,
      }),
    ),
  },
  { description: 'answers `hello`; the session begins' },
);
export type Welcome = Static<typeof Welcome>;

export const Credit = Type.Object(
  { type: Type.Literal('credit'), ...Granted },
  { description: 'how much of the credited messages may have been sent in all; renewed with the commits' },
);

export const Accepted = Type.Object(
  { type: Type.Literal('accepted'), tasks: Type.Array(TaskId) },
  { description: 'these tasks are on disk' },
);

export const Refused = Type.Object(
  { type: Type.Literal('refused'), tasks: Type.Array(Refusal) },
  { description: 'tasks of a `submit`, or watches, that were refused, each with its error' },
);

export const Changed = Type.Object(
  { type: Type.Literal('changed'), tasks: Type.Array(TaskChange) },
  { description: 'progress and state changes of watched tasks' },
);

export const ChunksDown = Type.Object(
  { type: Type.Literal('chunks'), chunks: Type.Array(Chunk) },
  { description: "a watched task's output while it is made; a higher attempt starts over" },
);

export const Ended = Type.Object(
  { type: Type.Literal('ended'), tasks: Type.Array(TaskEnd) },
  { description: 'watched tasks that ended, with their result' },
);

export const Reply = Type.Object(
  { type: Type.Literal('reply'), ref: Ref, result: Type.Unknown() },
  { description: 'answers `query`, `act`, `cancel`, `cancels` or `subscribe`' },
);

export const ErrorMessage = Type.Object(
  {
    type: Type.Literal('error'),
    ref: Type.Optional(Ref),
    error: WireError,
    about: Type.Optional(Type.String({ description: 'the type of the message that failed' })),
  },
  { description: 'a message failed' },
);

export const Events = Type.Object(
  { type: Type.Literal('events'), events: Type.Array(PoolEvent) },
  { description: 'what happened, in order' },
);

export const Assign = Type.Object(
  { type: Type.Literal('assign'), assignment: Assignment },
  { description: "the worker's tier and workloads changed" },
);

export const DispatchMessage = Type.Object(
  { type: Type.Literal('dispatch'), tasks: Type.Array(Dispatch) },
  { description: 'run these; each is on disk as given to this worker' },
);

export const Stop = Type.Object(
  {
    type: Type.Literal('stop'),
    attempts: Type.Array(Type.Intersect([AttemptRef, Type.Object({ reason: Type.String() })])),
  },
  { description: 'end these attempts and answer each with a result of code `cancelled`' },
);

export const Acknowledged = Type.Object(
  {
    type: Type.Literal('acknowledged'),
    results: Type.Optional(Type.Array(AttemptRef, { description: 'forget these results' })),
    chunks: Type.Optional(
      Type.Array(Type.Intersect([AttemptRef, Type.Object({ chunk: Type.Integer({ minimum: 0 }) })]), {
        description: 'stored up to and with this chunk',
      }),
    ),
  },
  { description: 'on disk, or no longer needed' },
);

export const Logs = Type.Object(
  {
    type: Type.Literal('logs'),
    ref: Ref,
    service: Type.Optional(Type.String({ description: 'absent: of all' })),
    lines: Type.Integer({ minimum: 1, maximum: LIMITS.maxLogLines }),
    since: Type.Optional(Type.String({ description: 'only lines after this time' })),
  },
  { description: 'requests the newest log lines of the services; answered by `log.lines` within 10 s' },
);

export const Goodbye = Type.Object(
  {
    type: Type.Literal('goodbye'),
    reason: oneOf(Object.keys(CLOSE) as (keyof typeof CLOSE)[]),
    message: Type.String(),
    reconnectAfterMs: Type.Optional(Millis),
  },
  { description: 'the coordinator closes the connection: why, and when to dial again' },
);

export const BlobReady = Type.Object(
  {
    type: Type.Literal('blob.ready'),
    stream: StreamId,
    offset: Type.Integer({ minimum: 0, description: 'send from here: what came before is already held' }),
    credit: Type.Integer({ minimum: 0 }),
  },
  { description: 'send the data, then `stream.end`' },
);

export const BlobStored = Type.Object(
  { type: Type.Literal('blob.stored'), stream: StreamId, blob: BlobId },
  { description: 'the blob is checked and on disk' },
);

export const BlobHead = Type.Object(
  { type: Type.Literal('blob.head'), stream: StreamId, size: Type.Integer({ minimum: 0 }) },
  { description: 'the data follows, from the offset asked for' },
);

export const DOWN = {
  welcome: Welcome,
  heartbeat: Heartbeat,
  credit: Credit,
  accepted: Accepted,
  refused: Refused,
  changed: Changed,
  chunks: ChunksDown,
  ended: Ended,
  reply: Reply,
  error: ErrorMessage,
  events: Events,
  ...TOPIC_MESSAGES,
  assign: Assign,
  dispatch: DispatchMessage,
  stop: Stop,
  acknowledged: Acknowledged,
  logs: Logs,
  goodbye: Goodbye,
  'blob.ready': BlobReady,
  'blob.stored': BlobStored,
  'blob.head': BlobHead,
  'stream.credit': StreamCredit,
  'stream.end': StreamEnd,
  'stream.abort': StreamAbort,
} as const;

export type DownType = keyof typeof DOWN;
export type Down = { [T in DownType]: Static<(typeof DOWN)[T]> }[DownType];
export type DownOf<T extends DownType> = Static<(typeof DOWN)[T]>;
