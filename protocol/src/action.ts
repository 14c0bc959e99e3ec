/**
 * The actions of `act`: of each its fields, who may do it and what its reply holds. This table is the only list of them,
 * as `QUERIES` is of the queries.
 */
import { type Static, type TObject, type TProperties, type TSchema, type TUnsafe, Type } from 'typebox';
import { ADMIN, type Role } from './role-name.js';
import { Labels, Name, TaskId, Trust, WorkerId } from './task.js';
import { TokenRole, TokenView, WorkerView } from './view.js';

interface ActionRow {
  readonly fields: TProperties;
  readonly roles: readonly Role[];
  readonly reply: TSchema;
}

export const ACTIONS = {
  'worker.pin': {
    fields: {
      worker: WorkerId,
      tier: Type.Union([Type.Literal(1), Type.Literal(2), Type.Literal(3), Type.Null()]),
    },
    roles: ADMIN,
    reply: WorkerView,
  },
  'worker.drain': {
    fields: {
      worker: WorkerId,
      draining: Type.Boolean(),
      requeue: Type.Optional(
        Type.Boolean({ description: 'stop what runs and requeue it; it costs those tasks no attempt' }),
      ),
    },
    roles: ADMIN,
    reply: WorkerView,
  },
  'worker.rename': { fields: { worker: WorkerId, name: Name }, roles: ADMIN, reply: WorkerView },
  'worker.label': {
    fields: {
      worker: WorkerId,
      labels: Type.Unsafe<Labels>({
        ...Labels,
        description: 'they replace all labels, and override those that the agent reports',
      }),
    },
    roles: ADMIN,
    reply: WorkerView,
  },
  'task.retry': {
    fields: { task: TaskId },
    roles: ADMIN,
    reply: Type.Object({ task: Type.Unsafe<string>({ ...TaskId, description: 'of the new task' }) }),
  },
  'worker.revoke': { fields: { worker: WorkerId }, roles: ADMIN, reply: WorkerView },
  'token.create': {
    fields: {
      role: TokenRole,
      name: Name,
      expiresInSeconds: Type.Optional(Type.Integer({ minimum: 1, maximum: 315_360_000 })),
      uses: Type.Optional(Type.Integer({ minimum: 1, maximum: 1_000_000 })),
      owner: Type.Optional(Name),
      trust: Type.Optional(Trust),
    },
    roles: ADMIN,
    reply: Type.Object({ token: Type.String({ description: 'the secret; sent this once' }), view: TokenView }),
  },
  'token.revoke': { fields: { token: Type.String({ maxLength: 64 }) }, roles: ADMIN, reply: TokenView },
} as const satisfies Readonly<Record<string, ActionRow>>;

export type ActionName = keyof typeof ACTIONS;
type Fields<D extends ActionName> = (typeof ACTIONS)[D]['fields'] extends infer F extends TProperties ? F : never;

/** An action by its name; without one, any. */
export type ActionOf<D extends ActionName = ActionName> = {
  [N in D]: { do: N } & Static<TObject<Fields<N>>>;
}[D];
/** What `reply` holds for an action. */
export type ActionReply<D extends ActionName = ActionName> = { [N in D]: Static<(typeof ACTIONS)[N]['reply']> }[D];

export type Action = ActionOf;
export const Action = Type.Union(
  Object.entries<ActionRow>(ACTIONS).map(([name, { fields }]) => Type.Object({ do: Type.Literal(name), ...fields })),
) as TSchema as TUnsafe<Action>;
