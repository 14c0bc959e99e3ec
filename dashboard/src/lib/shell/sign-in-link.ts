/**
 * The code of a link that signs in once (`/#signin=CODE`): taken out of the address before anybody else sees it. It
 * stands in the fragment, which no server and no log is told.
 */
let code: string | undefined;

/** Takes the code out of the address, if there is one. @returns whether there was */
export function catchCode(): boolean {
  const found = new URLSearchParams(location.hash.slice(1)).get('signin');
  if (found === null) return false;
  code = found;
  history.replaceState(history.state, '', location.pathname + location.search);
  return true;
}

/** The code that was caught, once. */
export function takeCode(): string | undefined {
  const taken = code;
  code = undefined;
  return taken;
}
