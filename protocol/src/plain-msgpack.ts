/**
 * A guard in front of the MessagePack decoder: one pass over the bytes that admits plain MessagePack only. msgpackr also
 * reads records (it compiles a function for each), references, sets, regular expressions, errors and huge integers out
 * of extension types; none of these is part of the protocol, and several let a peer exhaust this side's CPU.
 */
import { ProtocolError } from './error.js';
import { LIMITS } from './limits.js';

/** The type byte (-1) of the timestamp extension, in each of its three sizes. */
const TIMESTAMP = 0xff;

/** Items still to come in each container around the one being read; its use never spans two calls. */
const outer = new Float64Array(LIMITS.maxDepth);

/**
 * Asserts that `bytes` are exactly one value of nil, booleans, numbers, strings, bytes, arrays and maps (and
 * timestamps, where `timestamps`), whole, and nested at most `maxDepth` deep. A declared length beyond the bytes at
 * hand is found before anything is allocated for it.
 * @throws ProtocolError of kind `invalid`
 */
export function assertPlainMsgpack(bytes: Uint8Array, timestamps: boolean): void {
  const end = bytes.length;
  let at = 0;
  let depth = 0;
  let left = 1;
  while (true) {
    while (left === 0) {
      if (depth === 0) {
        if (at === end) return;
        throw unfit(at, at < end ? 'bytes follow the value' : 'it ends in the middle of a value');
      }
      left = outer[--depth]!;
    }
    left--;
    if (at >= end) throw unfit(at, 'it ends in the middle of a value');
    const token = bytes[at++]!;
    // Small integers and short strings are most of what comes: they take no call.
    if (token < 0x80 || token >= 0xe0) continue;
    if (token >= 0xa0 && token < 0xc0) {
      at += token & 0x1f;
      continue;
    }
    const items = itemsOf(bytes, at, token);
    if (items < 0) {
      at = scalarEnd(bytes, at, token, timestamps);
      continue;
    }
    at += token === 0xdc || token === 0xde ? 2 : token === 0xdd || token === 0xdf ? 4 : 0;
    if (items > end - at) throw unfit(at, 'it declares more items than it has bytes');
    if (depth === LIMITS.maxDepth) throw unfit(at, `it is nested deeper than ${LIMITS.maxDepth} levels (maxDepth)`);
    outer[depth++] = left;
    left = items;
  }
}

/** The items of an array, or the keys and values of a map; -1 for any other token from 0xa0 on. */
function itemsOf(bytes: Uint8Array, at: number, token: number): number {
  if (token >= 0xa0 && token < 0xdc) return -1;
  if (token < 0x90) return (token & 0x0f) * 2;
  if (token < 0xa0) return token & 0x0f;
  const size = token === 0xdc || token === 0xde ? 2 : 4;
  return uint(bytes, at, size) * (token >= 0xde ? 2 : 1);
}

/** The position behind a value that holds no others, of a token from 0xc0 on. @throws ProtocolError for an extension type */
function scalarEnd(bytes: Uint8Array, at: number, token: number, timestamps: boolean): number {
  switch (token) {
    case 0xc0:
    case 0xc2:
    case 0xc3:
      return at;
    case 0xcc:
    case 0xd0:
      return at + 1;
    case 0xcd:
    case 0xd1:
      return at + 2;
    case 0xca:
    case 0xce:
    case 0xd2:
      return at + 4;
    case 0xcb:
    case 0xcf:
    case 0xd3:
      return at + 8;
    case 0xc4:
    case 0xd9:
      return at + 1 + (bytes[at] ?? 0);
    case 0xc5:
    case 0xda:
      return at + 2 + uint(bytes, at, 2);
    case 0xc6:
    case 0xdb:
      return at + 4 + uint(bytes, at, 4);
    default:
      return skipTimestamp(bytes, at, token, timestamps);
  }
}

function uint(bytes: Uint8Array, at: number, size: 2 | 4): number {
  if (at + size > bytes.length) return 0;
  const high = bytes[at]! * 256 + bytes[at + 1]!;
  return size === 2 ? high : high * 65_536 + bytes[at + 2]! * 256 + bytes[at + 3]!;
}

/** @returns the position behind the timestamp: fixext 4, fixext 8 or ext 8 with 12 bytes. Any other extension throws. */
function skipTimestamp(bytes: Uint8Array, at: number, token: number, timestamps: boolean): number {
  if (timestamps) {
    if (token === 0xd6 && bytes[at] === TIMESTAMP) return at + 5;
    if (token === 0xd7 && bytes[at] === TIMESTAMP) return at + 9;
    if (token === 0xc7 && bytes[at] === 12 && bytes[at + 1] === TIMESTAMP) return at + 14;
  }
  throw unfit(at - 1, token === 0xc1 ? 'byte 0xc1 is no value' : 'it holds an extension type');
}

function unfit(at: number, why: string): ProtocolError {
  return new ProtocolError('invalid', `not plain MessagePack: ${why} (at byte ${at})`, undefined, 'plain MessagePack');
}
