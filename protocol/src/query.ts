/**
 * The queries: of each its fields, who may ask it and what its reply holds. This table is the only list of them: the
 * schema of `query`, the roles, the reference in PROTOCOL.md, the answers in server/src/query and the types of the SDK
 * are derived from it, and a query without an answer does not compile.
 */
import { type Static, type TObject, type TProperties, type TSchema, type TUnsafe, Type } from 'typebox';
import { LIMITS } from './limits.js';
import { PoolEvent } from './pool-event.js';
import { ADMIN, CLIENTS, type Role } from './role-name.js';
import { Kind, Name, TaskId, TaskState, WorkerId } from './task.js';
import { EventTypes } from './topic.js';
import {
  AuditPage,
  CatalogView,
  EventPage,
  KindView,
  PlacementView,
  StatsView,
  TaskDetail,
  TaskInput,
  TaskView,
  TokenView,
  WorkerView,
} from './view.js';
import { LogLine } from './worker.js';

/** How many items a page may hold at most; it may be shorter, so that it fits into a frame. */
const PageLimit = Type.Optional(Type.Integer({ minimum: 1, maximum: 1_000 }));

interface QueryRow {
  readonly fields: TProperties;
  readonly roles: readonly Role[];
  readonly reply: TSchema;
  readonly description?: string;
}

export const QUERIES = {
  tasks: {
    fields: {
      state: Type.Optional(TaskState),
      states: Type.Optional(Type.Array(TaskState, { minItems: 1, maxItems: 7, description: 'any of these' })),
      kind: Type.Optional(Kind),
      owner: Type.Optional(Type.Unsafe<string>({ ...Name, description: 'for admins; a client sees its own only' })),
      worker: Type.Optional(
        Type.Unsafe<string>({ ...WorkerId, description: 'whose latest attempt is or was on this worker' }),
      ),
      before: Type.Optional(TaskId),
      limit: PageLimit,
    },
    roles: CLIENTS,
    reply: Type.Array(TaskView),
  },
  task: { fields: { task: TaskId }, roles: CLIENTS, reply: TaskDetail },
  workers: {
    fields: { after: Type.Optional(WorkerId), limit: PageLimit },
    roles: CLIENTS,
    reply: Type.Array(WorkerView),
  },
  stats: { fields: {}, roles: CLIENTS, reply: StatsView },
  kinds: { fields: { after: Type.Optional(Kind), limit: PageLimit }, roles: CLIENTS, reply: Type.Array(KindView) },
  tokens: { fields: { after: Type.Optional(Name), limit: PageLimit }, roles: ADMIN, reply: Type.Array(TokenView) },
  placement: { fields: { after: Type.Optional(WorkerId), limit: PageLimit }, roles: ADMIN, reply: PlacementView },
  catalog: { fields: {}, roles: CLIENTS, reply: CatalogView },
  events: {
    fields: { since: Type.Integer({ minimum: 0 }), limit: PageLimit },
    roles: CLIENTS,
    reply: Type.Object({
      events: Type.Array(PoolEvent),
      last: Type.Integer({ description: 'how far the log was read: the next `since`' }),
    }),
  },
  log: {
    fields: {
      worker: WorkerId,
      service: Type.Optional(Name),
      lines: Type.Optional(Type.Integer({ minimum: 1, maximum: LIMITS.maxLogLines })),
      since: Type.Optional(
        Type.String({ maxLength: 40, description: 'only lines after this time, given as in the `at` of a line' }),
      ),
    },
    roles: ADMIN,
    reply: Type.Array(LogLine),
    description: "the newest log lines of a worker's services; requested from the worker, not stored in the pool",
  },
  history: {
    fields: {
      before: Type.Optional(Type.Integer({ minimum: 1, description: 'events below this number; default: the newest' })),
      types: Type.Optional(EventTypes),
      subject: Type.Optional(Type.String({ maxLength: 64 })),
      limit: PageLimit,
    },
    roles: CLIENTS,
    reply: EventPage,
  },
  audit: {
    fields: { before: Type.Optional(Type.Integer({ minimum: 1 })), limit: PageLimit },
    roles: ADMIN,
    reply: AuditPage,
  },
  input: { fields: { task: TaskId }, roles: CLIENTS, reply: TaskInput },
} as const satisfies Readonly<Record<string, QueryRow>>;

export type QueryName = keyof typeof QUERIES;
type Fields<W extends QueryName> = (typeof QUERIES)[W]['fields'] extends infer F extends TProperties ? F : never;

/** A query by its name; without one, any. */
export type QueryOf<W extends QueryName = QueryName> = {
  [N in W]: { what: N } & Static<TObject<Fields<N>>>;
}[W];
/** What `reply` holds for a query. */
export type QueryReply<W extends QueryName = QueryName> = { [N in W]: Static<(typeof QUERIES)[N]['reply']> }[W];

export type Query = QueryOf;
export const Query = Type.Union(
  Object.entries<QueryRow>(QUERIES).map(([what, { fields, description }]) =>
    Type.Object({ what: Type.Literal(what), ...fields }, description === undefined ? {} : { description }),
  ),
) as TSchema as TUnsafe<Query>;
