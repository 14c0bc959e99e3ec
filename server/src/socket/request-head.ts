/**
 * Parses a request's head alike for both adapters: joined headers, normalized addresses, validation of the WebSocket
 * handshake. Pure.
 */
import { isIP, isIPv4, SocketAddress } from 'node:net';
import type { RequestHead } from './transport.js';

/** The only path that accepts an upgrade. */
export const UPGRADE_PATH = '/ws';

/** Limit of a request's head in bytes, in both adapters: Node's own default. */
export const MAX_HEAD_BYTES = 16 * 1024;

/** Adds one header line; values of a repeated name are joined. */
export function addHeader(headers: Map<string, string>, name: string, value: string): void {
  const key = name.toLowerCase();
  const before = headers.get(key);
  headers.set(key, before === undefined ? value : `${before}${key === 'cookie' ? '; ' : ', '}${value}`);
}

/** The peer's address, or the last entry of the proxy's header where the proxy is trusted. */
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

/** The body's length as the request announces it; undefined where it comes in chunks. */
export function announcedBytes(headers: ReadonlyMap<string, string>): number | undefined {
  if (headers.has('transfer-encoding')) return undefined;
  return Number(headers.get('content-length') ?? 0);
}

/** Whether the request asks for a WebSocket; `handshakeProblem` then validates its handshake. */
export function wantsWebSocket(head: RequestHead): boolean {
  return head.method === 'GET' && head.path === UPGRADE_PATH && tokens(head, 'upgrade').includes('websocket');
}

/** Why a WebSocket handshake is invalid (RFC 6455 section 4.2.1); undefined for a valid one. */
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
