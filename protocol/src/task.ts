/** Tasks: what a client submits, the states of a task, and the messages about it. */
import { type Static, Type } from 'typebox';
import { LIMITS } from './limits.js';
import { oneOf } from './one-of.js';
import { Payload } from './payload-field.js';
import { plainText } from './plain-text.js';
import { TASK_STATES, type TaskState as TaskStateWord } from './task-state.js';
import { WireError } from './wire-error.js';

export { isTerminal, TASK_MOVES, TASK_STATES } from './task-state.js';

export const TaskId = Type.String({
  pattern: '^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$',
  description: 'UUIDv7 made by the client, lower case',
});
export const WorkerId = Type.String({ pattern: '^w-[0-9a-z]{4,32}$', description: 'given by the coordinator' });
export const BlobId = Type.String({ pattern: '^[0-9a-f]{64}$', description: 'SHA-256 of the content, hexadecimal' });
export const Kind = Type.String({
  pattern: '^[a-z0-9][a-z0-9_.-]{0,63}$',
  description: 'a task kind, such as ocr.read',
});
export const Attempt = Type.Integer({
  minimum: 1,
  maximum: 1_000_000,
  description: 'the number of an execution, from 1',
});
export const Millis = Type.Integer({ minimum: 0, maximum: 8_640_000_000_000, description: 'ms' });
export const UnixMs = Type.Integer({ minimum: 0, maximum: 8_640_000_000_000, description: 'ms since 1970, UTC' });
export const Name = plainText(LIMITS.maxNameLength, 1);

export const Trust = oneOf(['community', 'trusted']);
export type Trust = Static<typeof Trust>;

export const Labels = Type.Record(Type.String({ pattern: '^[A-Za-z0-9][A-Za-z0-9_./-]{0,62}$' }), plainText(128), {
  maxProperties: 32,
  additionalProperties: false,
});
export type Labels = Static<typeof Labels>;

/** Where a task may run. An absent field admits all workers. */
export const Constraints = Type.Object({
  tier: Type.Optional(
    Type.Integer({
      minimum: 1,
      maximum: 3,
      description: 'the worker is of this tier or a higher one (1 is the highest)',
    }),
  ),
  labels: Type.Optional(Labels),
  trust: Type.Optional(Type.Literal('trusted', { description: 'only workers of the admin' })),
  worker: Type.Optional(WorkerId),
  model: Type.Optional(
    Type.Unsafe<string>({
      ...plainText(256, 1),
      description: 'a healthy service of the worker lists it in `models`',
    }),
  ),
  minVramMiB: Type.Optional(
    Type.Integer({ minimum: 1, maximum: 16_777_216, description: 'total memory of the largest NVIDIA GPU' }),
  ),
});
export type Constraints = Static<typeof Constraints>;

/** A task as it is submitted. */
export const TaskSpec = Type.Object({
  id: TaskId,
  kind: Kind,
  input: Payload,
  blobs: Type.Optional(
    Type.Array(BlobId, {
      maxItems: LIMITS.maxBlobsPerTask,
      description: 'every blob that the input names; upload them first',
    }),
  ),
  priority: Type.Optional(Type.Integer({ minimum: -100, maximum: 100, description: 'higher runs first; default 0' })),
  timeoutMs: Type.Optional(
    Type.Integer({ minimum: 1, maximum: 86_400_000, description: 'the time limit of one attempt; default 600000' }),
  ),
  maxAttempts: Type.Optional(
    Type.Integer({ minimum: 1, maximum: 100, description: 'failed attempts after which the task fails; default 3' }),
  ),
  backoffMs: Type.Optional(
    Type.Integer({
      minimum: 0,
      maximum: 3_600_000,
      description: 'wait before the second attempt, doubling; default 1000',
    }),
  ),
  ttlMs: Type.Optional(
    Type.Integer({ minimum: 1, maximum: 2_592_000_000, description: 'expires when not started within' }),
  ),
  notBefore: Type.Optional(UnixMs),
  constraints: Type.Optional(Constraints),
});
export type TaskSpec = Static<typeof TaskSpec>;

export const DEFAULT_TIMEOUT_MS = 600_000;
export const DEFAULT_MAX_ATTEMPTS = 3;
export const DEFAULT_BACKOFF_MS = 1_000;
/** Attempts lost with their worker after which a task ends as `poison`. */
export const MAX_LOST = 5;

export const TaskState = oneOf(TASK_STATES);
export type TaskState = TaskStateWord;

/** Why a task or an attempt did not succeed, as reported by the worker or the coordinator. */
export const Failure = Type.Object({
  code: Type.String({
    maxLength: 64,
    description: 'a stable identifier, for example input.damaged, timeout, lost, poison',
  }),
  message: Type.String({ maxLength: LIMITS.maxTextLength }),
});
export type Failure = Static<typeof Failure>;

export const AttemptRef = Type.Object({ task: TaskId, attempt: Attempt });
export type AttemptRef = Static<typeof AttemptRef>;

/** An attempt as dispatched to a worker. */
export const Dispatch = Type.Object({
  task: TaskId,
  attempt: Attempt,
  kind: Kind,
  input: Payload,
  blobs: Type.Optional(Type.Array(BlobId)),
  timeoutMs: Type.Integer({ minimum: 1 }),
});
export type Dispatch = Static<typeof Dispatch>;

/** How an attempt ended, from its worker. Exactly one of `output` and `error`. */
export const AttemptResult = Type.Object({
  task: TaskId,
  attempt: Attempt,
  output: Type.Optional(Payload),
  blobs: Type.Optional(
    Type.Array(BlobId, {
      maxItems: LIMITS.maxBlobsPerTask,
      description: 'every blob that the output names; upload them first',
    }),
  ),
  error: Type.Optional(Type.Intersect([Failure, Type.Object({ retryable: Type.Boolean() })])),
  runMs: Type.Optional(Millis),
});
export type AttemptResult = Static<typeof AttemptResult>;

/** The end of a task, for sessions that watch it. */
export const TaskEnd = Type.Object({
  task: TaskId,
  state: oneOf(['succeeded', 'failed', 'cancelled', 'expired']),
  output: Type.Optional(Payload),
  blobs: Type.Optional(Type.Array(BlobId)),
  error: Type.Optional(Failure),
  attempts: Type.Integer({ minimum: 0 }),
  worker: Type.Optional(WorkerId),
  submittedAt: UnixMs,
  startedAt: Type.Optional(UnixMs),
  endedAt: UnixMs,
});
export type TaskEnd = Static<typeof TaskEnd>;

/** A change of an open task, for sessions that watch it. */
export const TaskChange = Type.Object({
  task: TaskId,
  state: TaskState,
  attempt: Type.Integer({ minimum: 0 }),
  worker: Type.Optional(WorkerId),
  fraction: Type.Optional(Type.Number({ minimum: 0, maximum: 1 })),
  note: Type.Optional(Type.String({ maxLength: LIMITS.maxTextLength })),
  error: Type.Optional(Failure),
});
export type TaskChange = Static<typeof TaskChange>;

export const Chunk = Type.Object({
  task: TaskId,
  attempt: Attempt,
  chunk: Type.Integer({
    minimum: 1,
    maximum: 10_000_000,
    description: 'its number within the attempt, from 1, without gaps',
  }),
  data: Payload,
});
export type Chunk = Static<typeof Chunk>;

export const Refusal = Type.Object({ task: TaskId, error: WireError });
export type Refusal = Static<typeof Refusal>;
