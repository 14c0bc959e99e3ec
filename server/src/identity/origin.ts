/** The Origin check: pages of this coordinator itself, and origins that the admin allowed. */

/**
 * @param headers of the request; a page of the coordinator itself has an Origin whose host equals Host
 * @param allowed further origins, as `--allowed-origin` names them
 */
export function originAllowed(headers: ReadonlyMap<string, string>, allowed: readonly string[]): boolean {
  const origin = headers.get('origin');
  if (origin === undefined || allowed.includes(origin)) return true;
  const host = headers.get('host');
  if (host === undefined || !URL.canParse(origin)) return false;
  const { protocol, host: page } = new URL(origin);
  return (protocol === 'http:' || protocol === 'https:') && page === host.toLowerCase();
}
