/**
 * Reads a request's head in one way for both adapters: joined headers, plain addresses, and whether a WebSocket
 * handshake is sound. Pure.
 */
import { isIP, isIPv4, SocketAddress } from 'node:net';
import type { RequestHead } from './transport.js';

/** The only path on which an upgrade is taken. */
export const UPGRADE_PATH = '/ws';

/** The largest request head that is taken, in bytes: Node's own default, given to both adapters. */
export const MAX_HEAD_BYTES = 16 * 1024;

/** Adds one header line; a name that is there already has its values joined. */
export function addHeader(headers: Map<string, string>, name: string, value: string): void {
  const key = name.toLowerCase();
  const before = headers.get(key);
  headers.set(key, before === undefined ? value : `${before}${key === 'cookie' ? '; ' : ', '}${value}`);
}

/** The peer's address, or the proxy's word for it (the last entry of its header) where the proxy is trusted. */
export function clientAddress(
  peer: string,
  headers: ReadonlyMap<string, string>,
  trustProxy: boolean,
  proxyHeader = 'x-forwarded-for',
): string {
  if (trustProxy) {
    const forwarded = headers.get(proxyHeader)?.split(',').at(-1)?.trim() ?? '';
    if (isIP(forwarded) !== 0) return plainAddress(forwarded);
  }
  return plainAddress(peer);
}

/** IPv6 in its short form, and an IPv4 address that is mapped into it as plain IPv4. */
function plainAddress(address: string): string {
  if (isIP(address) !== 6) return address;
  const short = new SocketAddress({ address, family: 'ipv6' }).address;
  const mapped = short.startsWith('::ffff:') ? short.slice('::ffff:'.length) : '';
  return isIPv4(mapped) ? mapped : short;
}

/** Whether the request carries a body, by its headers. */
export function announcesBody(headers: ReadonlyMap<string, string>): boolean {
  const length = headers.get('content-length');
  return headers.has('transfer-encoding') || (length !== undefined && length !== '0');
}

/** Whether the request wants a WebSocket here; if so `handshakeProblem` tells whether it may have one. */
export function wantsWebSocket(head: RequestHead): boolean {
  return head.method === 'GET' && head.path === UPGRADE_PATH && tokens(head, 'upgrade').includes('websocket');
}

/** What is wrong with a WebSocket handshake (RFC 6455 section 4.2.1), if anything. */
export function handshakeProblem(head: RequestHead): { status: number; message: string } | undefined {
  if (!tokens(head, 'connection').includes('upgrade')) {
    return { status: 400, message: 'a WebSocket handshake needs the header Connection: Upgrade\n' };
  }
  if (!/^[+/0-9A-Za-z]{22}==$/.test(head.headers.get('sec-websocket-key') ?? '')) {
    return { status: 400, message: 'the header Sec-WebSocket-Key is missing or is not 16 bytes in base64\n' };
  }
  if (head.headers.get('sec-websocket-version') !== '13') {
    return { status: 426, message: 'this server speaks WebSocket version 13 only\n' };
  }
  return undefined;
}

/** The headers of a refused handshake's answer. */
export const HANDSHAKE_REFUSAL_HEADERS: Readonly<Record<string, string>> = {
  'content-type': 'text/plain; charset=utf-8',
  'sec-websocket-version': '13',
};

/** The subprotocols that the peer offers, in its order. */
export function offeredProtocols(head: RequestHead): string[] {
  return list(head, 'sec-websocket-protocol');
}

function tokens(head: RequestHead, name: string): string[] {
  return list(head, name).map((token) => token.toLowerCase());
}

function list(head: RequestHead, name: string): string[] {
  const entries = (head.headers.get(name) ?? '').split(',').map((entry) => entry.trim());
  return entries.filter((entry) => entry !== '');
}
