/** From the URL that a person gives to the WebSocket endpoint of a coordinator. Pure. */
import { isLoopback } from '@rma/peer/loopback';
import { ProtocolError } from '@rma/protocol/error';
import { SOCKET_PATH } from '@rma/protocol/version';

const SOCKET_SCHEMES: Readonly<Record<string, string>> = {
  'http:': 'ws:',
  'https:': 'wss:',
  'ws:': 'ws:',
  'wss:': 'wss:',
};

/**
 * The endpoint's URL for `http(s)://HOST[:PORT][/BASE]` or the same with `ws(s)`.
 *
 * @throws ProtocolError of kind `invalid` for what is no such URL, for one that carries a secret, and, unless
 * `insecure`, for one whose token would cross a network unencrypted
 */
export function socketUrl(url: string, insecure = false): string {
  const parsed = parse(url);
  const scheme = SOCKET_SCHEMES[parsed.protocol];
  if (scheme === undefined || parsed.hostname === '') {
    throw new ProtocolError('invalid', `'${url}' is not a URL of a coordinator: give http(s)://HOST:PORT`);
  }
  if (parsed.username !== '' || parsed.password !== '' || parsed.search !== '' || parsed.hash !== '') {
    throw new ProtocolError(
      'invalid',
      'the URL may not carry a user, a query or a fragment: give the token on its own',
    );
  }
  if (scheme === 'ws:' && !insecure && !isLoopback(parsed.hostname)) {
    throw new ProtocolError(
      'invalid',
      `${parsed.origin} is not encrypted: anybody on the way could read the token. Use https://, or say --insecure (in code: insecure: true) where the network is your own`,
    );
  }
  const base = parsed.pathname.replace(/\/+$/, '');
  return `${scheme}//${parsed.host}${base.endsWith(SOCKET_PATH) ? base : base + SOCKET_PATH}`;
}

function parse(url: string): URL {
  try {
    return new URL(url);
  } catch {
    throw new ProtocolError('invalid', `'${url}' is not a URL: give http(s)://HOST:PORT of the coordinator`);
  }
}
