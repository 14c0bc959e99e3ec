/** The session cookie: HttpOnly (no script reads it), SameSite=Strict (no other site's page makes a browser send it). */

export const SESSION_COOKIE = 'rma_session';

/** The value of the session's cookie in a Cookie header; undefined for none. */
export function sessionOf(cookies: string | undefined): string | undefined {
  for (const pair of cookies?.split(';') ?? []) {
    const [name, value] = pair.split('=', 2);
    if (name?.trim() === SESSION_COOKIE && value) return value.trim();
  }
  return undefined;
}

/** @param secure the browser came over TLS: it sends the cookie over nothing else */
export function setCookie(value: string, maxAgeSeconds: number, secure: boolean): string {
  return `${SESSION_COOKIE}=${value}; Path=/; Max-Age=${maxAgeSeconds}; HttpOnly; SameSite=Strict${secure ? '; Secure' : ''}`;
}
