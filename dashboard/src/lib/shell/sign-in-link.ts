/**
 * The code of a one-time sign-in link (`/#signin=CODE`), removed from the URL before anything else can read it. It is
 * in the fragment, which browsers do not send, so that no server log has it.
 */
let code: string | undefined;

/** Removes a code from the URL and keeps it. @returns whether there was one */
export function catchCode(): boolean {
  const found = new URLSearchParams(location.hash.slice(1)).get('signin');
  if (found === null) return false;
  code = found;
  history.replaceState(history.state, '', location.pathname + location.search);
  return true;
}

/** Returns the kept code, once. */
export function takeCode(): string | undefined {
  const taken = code;
  code = undefined;
  return taken;
}
