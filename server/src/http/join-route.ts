/** `POST /api/join-info`: what a join token is good for, told to whoever holds it. Asking uses nothing up. */
import { ProtocolError } from '@rma/protocol/error';
import type { State } from '../core/state.js';
import type { Tokens } from '../identity/tokens.js';
import type { HttpRequest, HttpResponse } from '../socket/transport.js';
import { joinInfoOf } from '../topics/join.js';
import { jsonBody } from './json-body.js';
import { json } from './respond.js';

export async function joinInfo(
  { tokens, state, wallMs, pool }: { tokens: Tokens; state: () => State; wallMs: () => number; pool: string },
  request: HttpRequest,
): Promise<HttpResponse> {
  const { token } = await jsonBody(request);
  if (typeof token !== 'string') throw new ProtocolError('invalid', 'send {"token": …}', '/token', 'a string');
  const { id } = await tokens.verify(token.trim());
  const record = state().tokens.get(id);
  if (!record)
    throw new ProtocolError('unauthenticated', 'this pool does not know the token; ask its admin for a new one');
  if (record.role !== 'join') {
    throw new ProtocolError(
      'forbidden',
      `a token of the role '${record.role}' is not for joining; keep it to yourself`,
    );
  }
  return json(200, joinInfoOf(record, pool, wallMs()));
}
