/** Signing in and out in a browser: the coordinator sets the credential as a cookie that scripts cannot read. */
import { type ErrorKind, errorMessage, ProtocolError } from '@rma/protocol/error';

/** Who is signed in, by the cookie. */
export interface SignedIn {
  readonly role: 'admin' | 'client';
  readonly subject: string;
  /** The token's name. */
  readonly name: string;
  /** The token's id, which is no secret. */
  readonly token?: string;
  /** ms since 1970 at which the cookie ends; sign in again then. */
  readonly expiresAt: number;
}

/**
 * Signs in with a token, or with the code of a one-time sign-in link.
 * @param url the coordinator's address; empty: the page's own
 * @throws ProtocolError of kind `unauthenticated` for an invalid token or code, `unavailable`
 * where the coordinator cannot be reached
 */
export async function signIn(credential: { token: string } | { code: string }, url = ''): Promise<SignedIn> {
  return (await ask(url, 'POST', credential)) as SignedIn;
}

/** Signs out: clears the cookie. */
export async function signOut(url = ''): Promise<void> {
  await ask(url, 'DELETE');
}

/** Who is signed in; null for nobody. @throws ProtocolError of kind `unavailable` */
export async function whoAmI(url = ''): Promise<SignedIn | null> {
  try {
    return (await ask(url, 'GET')) as SignedIn;
  } catch (error) {
    if (error instanceof ProtocolError && error.kind === 'unauthenticated') return null;
    throw error;
  }
}

async function ask(url: string, method: 'GET' | 'POST' | 'DELETE', body?: object): Promise<unknown> {
  let response: Response;
  try {
    response = await fetch(`${url.replace(/\/$/, '')}/api/session`, {
      method,
      credentials: 'same-origin',
      ...(body ? { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) } : {}),
    });
  } catch (error) {
    const why = errorMessage(error);
    throw new ProtocolError('unavailable', `the coordinator cannot be reached (${why}); try again`);
  }
  if (response.status === 204) return undefined;
  const answer = (await response.json().catch(() => undefined)) as
    | { error?: { kind: ErrorKind; message: string } }
    | undefined;
  if (response.ok) return answer;
  const { kind = 'unavailable', message = `the coordinator answered ${response.status}` } = answer?.error ?? {};
  throw new ProtocolError(kind, message);
}
