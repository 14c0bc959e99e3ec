/** The coordinator's address: parses what the donor gives into the URL that is dialled. */
import { isLoopback } from '@rma/peer/loopback';
import { SOCKET_PATH } from '@rma/protocol/version';
import { AgentFault } from './fault.js';

export interface CoordinatorAddress {
  /** The WebSocket endpoint: ws: or wss:, with the path. */
  readonly socketUrl: string;
  /** The address in canonical form; stored with the credential to tell coordinators apart. */
  readonly identity: string;
}

/**
 * Reads `http(s)://HOST:PORT` or `ws(s)://HOST:PORT`.
 * @throws AgentFault for anything else, and for an unencrypted address of another machine unless `insecure`
 */
export function parseCoordinatorAddress(text: string, insecure: boolean): CoordinatorAddress {
  let url: URL;
  try {
    url = new URL(text.includes('://') ? text : `invalid:${text}`);
  } catch {
    throw wrong(text);
  }
  const secure = url.protocol === 'https:' || url.protocol === 'wss:';
  if (!secure && url.protocol !== 'http:' && url.protocol !== 'ws:') throw wrong(text);
  if (url.search !== '' || url.hash !== '' || url.username !== '' || url.password !== '') {
    throw new AgentFault(
      '--url must not hold a token, password or query: addresses end up in logs. Give the token with --token-file or RMA_TOKEN.',
    );
  }
  if (!secure && !insecure && !isLoopback(url.hostname)) {
    throw new AgentFault(
      `${text} is not encrypted: the token and all tasks could be read on the way. Use https://${url.host}, or add --insecure if the network between is yours.`,
    );
  }
  const host = isLoopback(url.hostname) ? '127.0.0.1' : url.hostname;
  const port = url.port === '' ? (secure ? '443' : '80') : url.port;
  const path = url.pathname.replace(/\/+$/, '').replace(new RegExp(`${SOCKET_PATH}$`), '');
  return {
    socketUrl: `${secure ? 'wss' : 'ws'}://${url.host}${path}${SOCKET_PATH}`,
    identity: `${secure ? 'https' : 'http'}://${host}:${port}${path}`,
  };
}

function wrong(text: string): AgentFault {
  return new AgentFault(
    `'${text}' is not an address of a coordinator. Give --url http(s)://HOST:PORT, for example --url http://127.0.0.1:8080`,
  );
}
