/**
 * Whether two payloads are the same value, however they are encoded: libraries and subprotocols choose other forms for the
 * same number or string. One walk over both, without making the values, up to the first difference. Pure.
 */

type Kind = 'nil' | 'false' | 'true' | 'number' | 'text' | 'bytes' | 'array' | 'map' | 'extension' | 'none';

/** Reads one MessagePack token after the other; `none` for what is none, and behind the end. */
class Tokens {
  kind: Kind = 'none';
  /** The number; of an array or map how many tokens follow for it. */
  value = 0;
  /** Where its bytes are: of text, bytes, an extension with its type, a 64-bit integer. */
  from = 0;
  at = 0;
  readonly #view: DataView;

  constructor(readonly bytes: Uint8Array) {
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  next(): void {
    this.from = 0;
    const first = this.bytes[this.at++];
    if (first === undefined) this.kind = 'none';
    else if (first < 0x80) this.#number(first);
    else if (first < 0x90) this.#holds('map', 2 * (first & 15));
    else if (first < 0xa0) this.#holds('array', first & 15);
    else if (first < 0xc0) this.#run('text', first & 31);
    else if (first >= 0xe0) this.#number(first - 256);
    else this.#long(first);
  }

  #long(first: number): void {
    const view = this.#view;
    if (this.at + (SIZES[first - 0xc0] ?? 0) > this.bytes.length) {
      this.kind = 'none';
      return;
    }
    const { at } = this;
    this.at += SIZES[first - 0xc0] ?? 0;
    if (first === 0xc0) this.kind = 'nil';
    else if (first === 0xc2) this.kind = 'false';
    else if (first === 0xc3) this.kind = 'true';
    else if (first >= 0xc4 && first <= 0xc6) this.#run('bytes', this.#length(first - 0xc4, at));
    else if (first >= 0xc7 && first <= 0xc9) this.#run('extension', 1 + this.#length(first - 0xc7, at));
    else if (first === 0xca) this.#number(view.getFloat32(at));
    else if (first === 0xcb) this.#number(view.getFloat64(at));
    else if (first >= 0xcc && first <= 0xce) this.#number(this.#length(first - 0xcc, at));
    else if (first === 0xcf) this.#wide(Number(view.getBigUint64(at)), at);
    else if (first === 0xd0) this.#number(view.getInt8(at));
    else if (first === 0xd1) this.#number(view.getInt16(at));
    else if (first === 0xd2) this.#number(view.getInt32(at));
    else if (first === 0xd3) this.#wide(Number(view.getBigInt64(at)), at);
    else if (first >= 0xd4 && first <= 0xd8) this.#run('extension', 1 + 2 ** (first - 0xd4));
    else if (first >= 0xd9 && first <= 0xdb) this.#run('text', this.#length(first - 0xd9, at));
    else if (first === 0xdc || first === 0xdd) this.#holds('array', this.#length(first - 0xdb, at));
    else if (first === 0xde || first === 0xdf) this.#holds('map', 2 * this.#length(first - 0xdd, at));
    else this.kind = 'none';
  }

  /** An unsigned integer of 1, 2 or 4 bytes. */
  #length(size: number, at: number): number {
    if (size === 0) return this.#view.getUint8(at);
    return size === 1 ? this.#view.getUint16(at) : this.#view.getUint32(at);
  }

  #number(value: number): void {
    this.kind = 'number';
    this.value = value;
  }

  #wide(value: number, from: number): void {
    this.#number(value);
    this.from = from;
  }

  #holds(kind: 'array' | 'map', tokens: number): void {
    this.kind = kind;
    this.value = tokens;
  }

  #run(kind: 'text' | 'bytes' | 'extension', length: number): void {
    this.from = this.at;
    this.at += length;
    this.kind = this.at > this.bytes.length ? 'none' : kind;
  }
}

/** Bytes behind the first of each type from 0xc0 to 0xdf, without the run that a length announces. */
const SIZES = [0, 0, 0, 0, 1, 2, 4, 1, 2, 4, 4, 8, 1, 2, 4, 8, 1, 2, 4, 8, 0, 0, 0, 0, 0, 1, 2, 4, 2, 4, 2, 4];

/** Equal bytes, or equal values; the order of a map's keys counts. Bytes that are not MessagePack equal only themselves. */
export function samePayload(a: Uint8Array, b: Uint8Array): boolean {
  if (sameRun(a, 0, a.length, b, 0, b.length)) return true;
  const one = new Tokens(a);
  const other = new Tokens(b);
  for (let pending = 1; pending > 0; pending--) {
    one.next();
    other.next();
    if (one.kind === 'none' || one.kind !== other.kind) return false;
    if (one.kind === 'array' || one.kind === 'map') {
      if (one.value !== other.value) return false;
      pending += one.value;
    } else if (one.kind === 'number') {
      if (!sameNumber(one, other)) return false;
    } else if (one.from !== 0 && !sameRun(a, one.from, one.at, b, other.from, other.at)) return false;
  }
  return one.at === a.length && other.at === b.length;
}

/** 64-bit integers may differ where their nearest doubles are the same. */
function sameNumber(one: Tokens, other: Tokens): boolean {
  if (one.from !== 0 && other.from !== 0 && !Number.isSafeInteger(one.value)) {
    return sameRun(one.bytes, one.from, one.at, other.bytes, other.from, other.at);
  }
  return one.value === other.value || (Number.isNaN(one.value) && Number.isNaN(other.value));
}

function sameRun(a: Uint8Array, from: number, to: number, b: Uint8Array, bFrom: number, bTo: number): boolean {
  if (to - from !== bTo - bFrom) return false;
  for (let i = from, j = bFrom; i < to; i++, j++) if (a[i] !== b[j]) return false;
  return true;
}
