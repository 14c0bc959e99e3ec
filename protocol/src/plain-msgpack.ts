/**
 * A guard in front of the MessagePack decoder: one pass over the bytes that admits plain MessagePack only. msgpackr also
 * reads records (it compiles a function for each), references, sets, regular expressions, errors and huge integers out
 * of extension types; none of these is part of the protocol and several are a stranger's way to keep this side busy.
 */
import { ProtocolError } from './error.js';
import { LIMITS } from './limits.js';

/** What the timestamp extension (-1) is preceded by, at its three sizes; the first byte tells how long it is. */
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
    if (token < 0x80 || token >= 0xe0) continue;
    let items: number;
    if (token < 0x90) items = (token & 0x0f) * 2;
    else if (token < 0xa0) items = token & 0x0f;
    else if (token < 0xc0) {
      at += token & 0x1f;
      continue;
    } else {
      switch (token) {
        case 0xc0:
        case 0xc2:
        case 0xc3:
          continue;
        case 0xcc:
        case 0xd0:
          at += 1;
          continue;
        case 0xcd:
        case 0xd1:
          at += 2;
          continue;
        case 0xca:
        case 0xce:
        case 0xd2:
          at += 4;
          continue;
        case 0xcb:
        case 0xcf:
        case 0xd3:
          at += 8;
          continue;
        case 0xc4:
        case 0xd9:
          at += 1 + (bytes[at] ?? 0);
          continue;
        case 0xc5:
        case 0xda:
          at += 2 + uint(bytes, at, 2);
          continue;
        case 0xc6:
        case 0xdb:
          at += 4 + uint(bytes, at, 4);
          continue;
        case 0xdc:
          items = uint(bytes, at, 2);
          at += 2;
          break;
        case 0xdd:
          items = uint(bytes, at, 4);
          at += 4;
          break;
        case 0xde:
          items = uint(bytes, at, 2) * 2;
          at += 2;
          break;
        case 0xdf:
          items = uint(bytes, at, 4) * 2;
          at += 4;
          break;
        default:
          at = skipTimestamp(bytes, at, token, timestamps);
          continue;
      }
    }
    if (items > end - at) throw unfit(at, 'it declares more items than it has bytes');
    if (depth === LIMITS.maxDepth) throw unfit(at, `it is nested deeper than ${LIMITS.maxDepth} levels (maxDepth)`);
    outer[depth++] = left;
    left = items;
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
