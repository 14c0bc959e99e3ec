/**
 * Signing in with a browser: `POST /api/session` takes a token, or the code of a link that signs in once, and answers
 * with a cookie; `GET` tells who is signed in, and renews the cookie; `DELETE` signs out.
 */
import { ProtocolError } from '@rma/protocol/error';
import type { Input } from '../core/inputs.js';
import type { State } from '../core/state.js';
import type { TokenRecord } from '../core/token.js';
import { sessionOf, setCookie } from '../identity/session-cookie.js';
import type { SignInCodes } from '../identity/sign-in-codes.js';
import type { Tokens } from '../identity/tokens.js';
import type { HttpRequest, HttpResponse } from '../socket/transport.js';
import { callerOf } from './caller.js';
import { jsonBody } from './json-body.js';
import { json } from './respond.js';

const DAY_MS = 86_400_000;
/** A session ends this long after the last visit that renewed it. */
const SESSION_MS = 14 * DAY_MS;

export interface SessionRoutes {
  readonly tokens: Tokens;
  readonly codes: SignInCodes;
  readonly state: () => State;
  readonly push: (input: Input) => void;
  readonly wallMs: () => number;
  readonly nowMs: () => number;
  readonly trustProxy: boolean;
}

export async function signIn(routes: SessionRoutes, request: HttpRequest): Promise<HttpResponse> {
  const body = await jsonBody(request);
  const record = await namedBy(routes, body);
  const { role } = record;
  if (role !== 'admin' && role !== 'client') {
    const hint = role === 'join' ? 'open the page /join to lend a machine with it' : 'it is a machine’s own';
    throw new ProtocolError('forbidden', `a token of the role '${role}' cannot sign in; ${hint}`);
  }
  routes.push({ type: 'signed', in: true, token: record.id, address: request.remoteAddress });
  return answer(routes, request, record, role);
}

export async function whoIsIt(routes: SessionRoutes, request: HttpRequest): Promise<HttpResponse> {
  const session = sessionOf(request.headers.get('cookie'));
  if (!session) throw new ProtocolError('unauthenticated', 'nobody is signed in');
  const { role, token } = await callerOf(request, routes.tokens, routes.state, routes.wallMs(), ['admin', 'client']);
  return answer(routes, request, routes.state().tokens.get(token.id)!, role);
}

export async function signOut(routes: SessionRoutes, request: HttpRequest): Promise<HttpResponse> {
  const session = sessionOf(request.headers.get('cookie'));
  if (session) {
    try {
      const { id } = await routes.tokens.verifySession(session);
      routes.push({ type: 'signed', in: false, token: id, address: request.remoteAddress });
    } catch (error) {
      // Whose session is over already is signed out all the same.
      if (!(error instanceof ProtocolError)) throw error;
    }
  }
  const headers = { 'cache-control': 'no-store', 'set-cookie': setCookie('', 0, isSecure(routes, request)) };
  return { status: 204, headers };
}

/** A link that signs in once, for who has the admin's token at hand in a terminal. */
export async function makeCode(routes: SessionRoutes, request: HttpRequest): Promise<HttpResponse> {
  const { token } = await callerOf(request, routes.tokens, routes.state, routes.wallMs(), ['admin', 'client']);
  return json(201, routes.codes.issue(token.id, routes.nowMs()));
}

async function namedBy(routes: SessionRoutes, { token, code }: Record<string, unknown>): Promise<TokenRecord> {
  if (typeof code === 'string') {
    const id = routes.codes.redeem(code, routes.nowMs());
    if (id === undefined) {
      const message =
        'this link was used already, or is older than ten minutes; sign in with a token, or make a new link';
      throw new ProtocolError('unauthenticated', message);
    }
    return standing(routes, id);
  }
  if (typeof token !== 'string') {
    throw new ProtocolError('invalid', 'send {"token": …} or {"code": …}', '/token', 'a string');
  }
  return standing(routes, (await routes.tokens.verify(token.trim())).id);
}

function standing(routes: SessionRoutes, id: string): TokenRecord {
  const record = routes.state().tokens.get(id);
  if (!record)
    throw new ProtocolError('unauthenticated', 'this coordinator does not know the token; ask for a new one');
  if (record.revokedAt) throw new ProtocolError('unauthenticated', 'the token was revoked; ask for a new one');
  if (record.expiresAt && record.expiresAt <= routes.wallMs()) {
    throw new ProtocolError('unauthenticated', 'the token has expired; ask for a new one');
  }
  return record;
}

async function answer(
  routes: SessionRoutes,
  request: HttpRequest,
  record: TokenRecord,
  role: 'admin' | 'client',
): Promise<HttpResponse> {
  const wallMs = routes.wallMs();
  const expiresAt = Math.min(wallMs + SESSION_MS, record.expiresAt || Number.MAX_SAFE_INTEGER);
  const session = await routes.tokens.signSession({ id: record.id, role, subject: record.subject, expiresAt });
  const maxAge = Math.max(1, Math.floor((expiresAt - wallMs) / 1_000));
  return json(
    200,
    { role, subject: record.subject, name: record.name, token: record.id, expiresAt },
    { 'set-cookie': setCookie(session, maxAge, isSecure(routes, request)) },
  );
}

/** TLS ends at a proxy: its word counts where the proxy is trusted. */
function isSecure({ trustProxy }: SessionRoutes, request: HttpRequest): boolean {
  return trustProxy && request.headers.get('x-forwarded-proto')?.split(',').at(-1)?.trim() === 'https';
}
