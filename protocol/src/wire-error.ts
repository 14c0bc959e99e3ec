/** The schema of an error on the wire. */
import { type Static, Type } from 'typebox';
import { ERROR_KINDS, type ErrorKind } from './error.js';
import { openWord } from './one-of.js';

export const WireError = Type.Object(
  {
    kind: openWord(Object.keys(ERROR_KINDS) as ErrorKind[]),
    message: Type.String({ description: 'what happened, to what, and what to do next' }),
    path: Type.Optional(Type.String({ description: 'where in the message, as a JSON pointer' })),
    expected: Type.Optional(Type.String({ description: 'what was expected there' })),
  },
  { $id: 'WireError' },
);
export type WireError = Static<typeof WireError>;
