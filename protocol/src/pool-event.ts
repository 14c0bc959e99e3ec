/** Events: what happened in the pool, in order. `seq` has no gaps as seen by an admin; a client sees those of its own tasks. */
import { type Static, Type } from 'typebox';
import { EVENT_TYPES, type EventType } from './event.js';
import { openWord } from './one-of.js';
import { UnixMs } from './task.js';

export const PoolEvent = Type.Object({
  seq: Type.Integer({ minimum: 1 }),
  at: UnixMs,
  type: openWord(Object.keys(EVENT_TYPES) as EventType[]),
  subject: Type.Optional(Type.String({ description: 'the id of the task, worker or token that it is about' })),
  data: Type.Optional(Type.Record(Type.String(), Type.Unknown())),
});
export type PoolEvent = Static<typeof PoolEvent>;
