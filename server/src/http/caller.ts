/** Authentication of an HTTP request: its bearer token, checked as on the socket, or the session cookie of a browser. */
import { ProtocolError } from '@rma/protocol/error';
import type { State } from '../core/state.js';
import { sessionOf } from '../identity/session-cookie.js';
import type { Tokens } from '../identity/tokens.js';
import type { HttpRequest } from '../socket/transport.js';

export interface Caller {
  readonly role: 'admin' | 'client';
  readonly subject: string;
  /** In whose turn its queries are answered and its messages handled: all requests of a subject are one. */
  readonly asker: string;
  readonly token: { readonly id: string; readonly role: 'admin' | 'client' };
}

/** @throws ProtocolError of kind `unauthenticated` or `forbidden` */
export function callerOf(
  request: HttpRequest,
  tokens: Tokens,
  state: () => State,
  wallMs: number,
  roles: readonly ('admin' | 'client')[],
): Caller {
  const bearer = /^Bearer +(\S+)$/i.exec(request.headers.get('authorization') ?? '')?.[1];
  const session = bearer ? undefined : sessionOf(request.headers.get('cookie'));
  if (!bearer && !session) {
    throw new ProtocolError('unauthenticated', 'send the token in the header: Authorization: Bearer TOKEN');
  }
  const { id } = bearer ? tokens.verify(bearer) : tokens.verifySession(session!);
  const token = state().tokens.get(id);
  if (!token || token.revokedAt || (token.expiresAt && token.expiresAt <= wallMs)) {
    throw new ProtocolError('unauthenticated', 'the token is unknown here, revoked or expired');
  }
  const { role } = token;
  if ((role !== 'admin' && role !== 'client') || !roles.includes(role)) {
    throw new ProtocolError(
      'forbidden',
      `a token of the role '${role}' may not do this; it takes ${roles.join(' or ')}`,
    );
  }
  return { role, subject: token.subject, asker: `http ${token.subject}`, token: { id, role } };
}
