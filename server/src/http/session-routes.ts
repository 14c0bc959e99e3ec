/**
 * Browser sign-in. `POST /api/session` takes a token, or the code of a one-time sign-in link, and sets the session
 * cookie; `GET` returns the identity behind the cookie and renews it; `DELETE` signs out. `POST /api/join-info` returns
 * what a join token is good for; it uses nothing up.
 */
import { ProtocolError } from '@rma/protocol/error';
import type { Input } from '../core/inputs.js';
import type { State } from '../core/state.js';
import type { TokenRecord } from '../core/token.js';
import { sessionOf, setCookie } from '../identity/session-cookie.js';
import type { SignInCodes } from '../identity/sign-in-codes.js';
import type { Tokens } from '../identity/tokens.js';
import type { HttpRequest, HttpResponse } from '../socket/transport.js';
import { joinInfoOf } from '../topics/join.js';
import { callerOf } from './caller.js';
import { json, jsonOf } from './json.js';

/** A body that is read before its sender is known holds a token, and no more. */
const MAX_CREDENTIAL_BYTES = 16_384;
const DAY_MS = 86_400_000;
/** Lifetime of a session cookie from its last renewal. */
const SESSION_MS = 14 * DAY_MS;

export interface SessionRoutes {
  /** The pool's name. */
  readonly pool: string;
  readonly tokens: Tokens;
  readonly codes: SignInCodes;
  readonly state: () => State;
  readonly push: (input: Input) => void;
  readonly wallMs: () => number;
  readonly nowMs: () => number;
  readonly trustProxy: boolean;
}

export async function signIn(routes: SessionRoutes, request: HttpRequest): Promise<HttpResponse> {
  const body = jsonOf(await request.body(MAX_CREDENTIAL_BYTES));
  const record = tokenNamedBy(routes, body);
  const { role } = record;
  if (role !== 'admin' && role !== 'client') {
    const hint = role === 'join' ? 'open the page /join to lend a machine with it' : 'it is a machine’s own';
    throw new ProtocolError('forbidden', `a token of the role '${role}' cannot sign in; ${hint}`);
  }
  routes.push({ type: 'signed', in: true, token: record.id, address: request.remoteAddress });
  return answer(routes, request, record, role);
}

export function whoAmI(routes: SessionRoutes, request: HttpRequest): HttpResponse {
  const session = sessionOf(request.headers.get('cookie'));
  if (!session) throw new ProtocolError('unauthenticated', 'nobody is signed in');
  const { role, token } = callerOf(request, routes.tokens, routes.state, routes.wallMs(), ['admin', 'client']);
  return answer(routes, request, routes.state().tokens.get(token.id)!, role);
}

export function signOut(routes: SessionRoutes, request: HttpRequest): HttpResponse {
  const session = sessionOf(request.headers.get('cookie'));
  if (session) {
    try {
      const { id } = routes.tokens.verifySession(session);
      routes.push({ type: 'signed', in: false, token: id, address: request.remoteAddress });
    } catch (error) {
      // An expired session is signed out all the same.
      if (!(error instanceof ProtocolError)) throw error;
    }
  }
  const headers = { 'cache-control': 'no-store', 'set-cookie': setCookie('', 0, isSecure(routes, request)) };
  return { status: 204, headers };
}

/** The code of a one-time sign-in link, for a caller that has the token in a terminal. */
export function makeCode(routes: SessionRoutes, request: HttpRequest): HttpResponse {
  const { token } = callerOf(request, routes.tokens, routes.state, routes.wallMs(), ['admin', 'client']);
  return json(201, routes.codes.issue(token.id, routes.nowMs()));
}

export async function joinInfo(
  { tokens, state, wallMs, pool }: SessionRoutes,
  request: HttpRequest,
): Promise<HttpResponse> {
  const { token } = jsonOf(await request.body(MAX_CREDENTIAL_BYTES));
  if (typeof token !== 'string') throw new ProtocolError('invalid', 'send {"token": …}', '/token', 'a string');
  const { id } = tokens.verify(token.trim());
  const record = state().tokens.get(id);
  if (!record) {
    throw new ProtocolError('unauthenticated', 'this pool does not know the token; ask its admin for a new one');
  }
  if (record.role !== 'join') {
    const message = `a token of the role '${record.role}' is not for joining; keep it to yourself`;
    throw new ProtocolError('forbidden', message);
  }
  return json(200, joinInfoOf(record, pool, wallMs()));
}

function tokenNamedBy(routes: SessionRoutes, { token, code }: Record<string, unknown>): TokenRecord {
  if (typeof code === 'string') {
    const id = routes.codes.redeem(code, routes.nowMs());
    if (id === undefined) {
      const message =
        'this link was used already, or is older than ten minutes; sign in with a token, or make a new link';
      throw new ProtocolError('unauthenticated', message);
    }
    return validToken(routes, id);
  }
  if (typeof token !== 'string') {
    throw new ProtocolError('invalid', 'send {"token": …} or {"code": …}', '/token', 'a string');
  }
  return validToken(routes, routes.tokens.verify(token.trim()).id);
}

function validToken(routes: SessionRoutes, id: string): TokenRecord {
  const record = routes.state().tokens.get(id);
  if (!record)
    throw new ProtocolError('unauthenticated', 'this coordinator does not know the token; ask for a new one');
  if (record.revokedAt) throw new ProtocolError('unauthenticated', 'the token was revoked; ask for a new one');
  if (record.expiresAt && record.expiresAt <= routes.wallMs()) {
    throw new ProtocolError('unauthenticated', 'the token has expired; ask for a new one');
  }
  return record;
}

function answer(
  routes: SessionRoutes,
  request: HttpRequest,
  record: TokenRecord,
  role: 'admin' | 'client',
): HttpResponse {
  const wallMs = routes.wallMs();
  const expiresAt = Math.min(wallMs + SESSION_MS, record.expiresAt || Number.MAX_SAFE_INTEGER);
  const session = routes.tokens.signSession({ id: record.id, role, subject: record.subject, expiresAt });
  const maxAge = Math.max(1, Math.floor((expiresAt - wallMs) / 1_000));
  return json(
    200,
    { role, subject: record.subject, name: record.name, token: record.id, expiresAt },
    { 'set-cookie': setCookie(session, maxAge, isSecure(routes, request)) },
  );
}

/** TLS ends at the proxy: its X-Forwarded-Proto counts where the proxy is trusted. */
function isSecure({ trustProxy }: SessionRoutes, request: HttpRequest): boolean {
  return trustProxy && request.headers.get('x-forwarded-proto')?.split(',').at(-1)?.trim() === 'https';
}
