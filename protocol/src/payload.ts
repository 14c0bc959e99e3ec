/**
 * Payloads: what a task takes in and gives out. The coordinator never looks inside one: on MessagePack frames it is
 * a `bin` that holds the value's own MessagePack encoding, on JSON frames the plain value. In JSON, bytes are
 * `{"$bytes": "<base64>"}`. A value above the inline limit is replaced by a blob reference `{"$blob": …}`.
 */
import { Packr, Unpackr } from 'msgpackr';
import { ProtocolError } from './error.js';
import { LIMITS } from './limits.js';
import { assertPlainMsgpack } from './plain-msgpack.js';

/** Plain MessagePack that any language reads, for frames and payloads: maps, no records, 64-bit integers as numbers. */
export const packr = new Packr({
  useRecords: false,
  int64AsType: 'number',
  encodeUndefinedAsNil: true,
  variableMapSize: true,
});
export const unpackr = new Unpackr({ useRecords: false, int64AsType: 'number', mapsAsObjects: true });

/** A value's own MessagePack encoding. */
export type Payload = Uint8Array;

/** @throws ProtocolError of kind `invalid` for a value that plain MessagePack lacks, or one nested too deep */
export function packPayload(value: unknown): Payload {
  let payload: Payload;
  try {
    payload = packr.pack(value === undefined ? null : value);
  } catch (error) {
    throw new ProtocolError(
      'invalid',
      `the value does not fit into MessagePack: ${error instanceof Error ? error.message : error}`,
    );
  }
  assertPlainMsgpack(payload, true);
  return payload;
}

/** @throws ProtocolError of kind `invalid` when the bytes are not one plain MessagePack value */
export function unpackPayload(payload: Payload): unknown {
  assertPlainMsgpack(payload, true);
  try {
    return unpackr.unpack(payload);
  } catch (error) {
    throw new ProtocolError(
      'invalid',
      `the payload is not MessagePack: ${error instanceof Error ? error.message : error}`,
    );
  }
}

/** A reference to bytes, or to a whole encoded value, that lie in the blob store. */
export interface BlobRef {
  /** SHA-256 in lower-case hexadecimal. */
  readonly $blob: string;
  /** Bytes. */
  readonly size: number;
  /** What the bytes are: raw bytes, or a value encoded as MessagePack or JSON. */
  readonly as: 'bytes' | 'msgpack' | 'json';
}

export function isBlobRef(value: unknown): value is BlobRef {
  if (typeof value !== 'object' || value === null) return false;
  const ref = value as Partial<BlobRef>;
  return (
    typeof ref.$blob === 'string' &&
    /^[0-9a-f]{64}$/.test(ref.$blob) &&
    Number.isInteger(ref.size) &&
    (ref.as === 'bytes' || ref.as === 'msgpack' || ref.as === 'json')
  );
}

/** Replaces values inside `value`, depth first; what `replace` leaves undefined stays. Refuses too deep nesting. */
export function mapValue(value: unknown, replace: (value: unknown) => unknown, depth = 0): unknown {
  if (depth > LIMITS.maxDepth) {
    throw new ProtocolError('invalid', `the value is nested deeper than ${LIMITS.maxDepth} levels (maxDepth)`);
  }
  const replaced = replace(value);
  if (replaced !== undefined) return replaced;
  if (Array.isArray(value)) return value.map((item) => mapValue(item, replace, depth + 1));
  if (typeof value === 'object' && value !== null && !(value instanceof Uint8Array)) {
    const copy: Record<string, unknown> = {};
    for (const [key, item] of Object.entries(value)) {
      if (key === '__proto__') continue;
      copy[key] = mapValue(item, replace, depth + 1);
    }
    return copy;
  }
  return value;
}

function isByteBox(value: object): value is { $bytes: string } {
  const keys = Object.keys(value);
  return keys.length === 1 && typeof (value as { $bytes?: unknown }).$bytes === 'string';
}

/** Turns `{"$bytes": base64}` into bytes, everywhere in a value that came as JSON. */
export function valueFromJson(json: unknown): unknown {
  return mapValue(json, (value) => {
    if (typeof value !== 'object' || value === null || Array.isArray(value) || !isByteBox(value)) return undefined;
    return bytesFromBase64(value.$bytes);
  });
}

/** Turns bytes into `{"$bytes": base64}`, and numbers and dates that JSON lacks into what is closest. */
export function valueToJson(value: unknown): unknown {
  return mapValue(value, (item) => {
    if (item instanceof Uint8Array) return { $bytes: base64FromBytes(item) };
    if (typeof item === 'bigint') return item.toString();
    if (item instanceof Date) return Number.isNaN(item.getTime()) ? null : item.toISOString();
    return undefined;
  });
}

export function bytesFromBase64(text: string): Uint8Array {
  let binary: string;
  try {
    binary = atob(text);
  } catch {
    throw new ProtocolError('invalid', '$bytes is not base64', undefined, 'standard base64 with padding');
  }
  const bytes = new Uint8Array(binary.length);
  for (let i = 0; i < binary.length; i++) bytes[i] = binary.charCodeAt(i);
  return bytes;
}

export function base64FromBytes(bytes: Uint8Array): string {
  let binary = '';
  for (let i = 0; i < bytes.length; i += 32_768) binary += String.fromCharCode(...bytes.subarray(i, i + 32_768));
  return btoa(binary);
}
