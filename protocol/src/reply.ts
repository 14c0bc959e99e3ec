/**
 * What `reply` holds, by the message that it answers. The schema of `reply` leaves `result` open: only the side that
 * sent the request knows which of these it is. Both ends take its type from here.
 */
import { type Static, Type } from 'typebox';
import type { ActionName, ActionReply } from './action.js';
import type { QueryName, QueryReply } from './query.js';
import { Refusal, TaskId, TaskState } from './task.js';
import type { UpOf } from './up.js';

export const CancelReply = Type.Object({ state: TaskState });
export const CancelsReply = Type.Object({
  cancelled: Type.Array(TaskId, { description: 'also those that were cancelled before' }),
  failed: Type.Array(Refusal, { description: 'those that had ended otherwise, or are not there' }),
});
export const EventsReply = Type.Object({ last: Type.Integer({ description: 'the number of the newest event' }) });
export const TopicReply = Type.Object({
  key: Type.String({ description: 'of the subscription: every message of it carries this' }),
});

/** A message that is answered by `reply`. */
export type Asking = UpOf<'query'> | UpOf<'act'> | UpOf<'cancel'> | UpOf<'cancels'> | UpOf<'subscribe'>;
/** The same without `ref`, which is added when it is sent. */
export type Request = Asking extends infer M ? (M extends Asking ? Omit<M, 'ref'> : never) : never;

/** The result of the reply to a request. */
export type ReplyTo<R extends Request> = R extends { type: 'query'; query: { what: infer W extends QueryName } }
  ? QueryReply<W>
  : R extends { type: 'act'; action: { do: infer D extends ActionName } }
    ? ActionReply<D>
    : R extends { type: 'cancel' }
      ? Static<typeof CancelReply>
      : R extends { type: 'cancels' }
        ? Static<typeof CancelsReply>
        : R extends { type: 'subscribe'; topic: 'events' }
          ? Static<typeof EventsReply>
          : Static<typeof TopicReply>;
