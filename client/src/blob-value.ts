/**
 * Values to payloads and back where they are too large to travel in a message: large byte arrays inside them become
 * blobs; where that is not enough the whole value becomes one. Knows no connection.
 */
import { ProtocolError } from '@rma/protocol/error';
import { LIMITS } from '@rma/protocol/limits';
import {
  type BlobRef,
  isBlobRef,
  mapValue,
  type Payload,
  packPayload,
  unpackPayload,
  valueFromJson,
} from '@rma/protocol/payload';
import { sha256Hex } from './sha256.js';

/** Byte arrays above this leave a value that is too large. */
const MIN_BLOB_BYTES = 16_384;
/** A blob that holds a value whose blobs hold values …: an honest sender needs one level. */
const MAX_LEVELS = 4;

export interface PackedValue {
  readonly payload: Payload;
  /** What must be uploaded first, by SHA-256. */
  readonly blobs: ReadonlyMap<string, Uint8Array>;
}

/** Moves what is large into blobs. */
export async function packLargeValue(value: unknown): Promise<PackedValue> {
  const found = new Set<Uint8Array>();
  mapValue(value, (item) => {
    if (!(item instanceof Uint8Array) || item.length <= MIN_BLOB_BYTES) return opaque(item);
    found.add(item);
    return item;
  });
  if (found.size > 0 && found.size <= LIMITS.maxBlobsPerTask) {
    const refs = new Map<unknown, BlobRef>();
    const blobs = new Map<string, Uint8Array>();
    for (const bytes of found) {
      const ref = await blobRef(bytes, 'bytes');
      refs.set(bytes, ref);
      blobs.set(ref.$blob, bytes);
    }
    const payload = packPayload(mapValue(value, (item) => refs.get(item) ?? opaque(item)));
    if (payload.length <= LIMITS.maxInlineBytes) return { payload, blobs };
  }
  const whole = packPayload(value);
  const ref = await blobRef(whole, 'msgpack');
  return { payload: packPayload(ref), blobs: new Map([[ref.$blob, whole]]) };
}

async function blobRef(bytes: Uint8Array, as: BlobRef['as']): Promise<BlobRef> {
  if (bytes.length > LIMITS.maxBlobBytes) {
    const mib = (bytes.length / 1_048_576).toFixed(1);
    throw new ProtocolError(
      'too_large',
      `${mib} MiB are more than one blob may hold (${LIMITS.maxBlobBytes / 1_048_576} MiB, maxBlobBytes): send it in parts`,
    );
  }
  return { $blob: await sha256Hex(bytes), size: bytes.length, as };
}

/** Puts the blobs that `names` lists back into the value; each is fetched once. Other maps with `$blob` are plain data. */
export async function unpackLargeValue(
  payload: Payload,
  names: readonly string[],
  fetch: (ref: BlobRef) => Promise<Uint8Array>,
): Promise<unknown> {
  const named = new Set(names);
  const fetched = new Map<string, Promise<Uint8Array>>();
  const resolve = async (value: unknown, level: number): Promise<unknown> => {
    if (level > MAX_LEVELS) throw new ProtocolError('invalid', 'the output nests blobs in blobs too deeply');
    const refs = new Map<string, BlobRef>();
    const keyOf = (ref: BlobRef) => `${ref.as} ${ref.$blob}`;
    mapValue(value, (item) => {
      if (!isBlobRef(item) || !named.has(item.$blob)) return opaque(item);
      refs.set(keyOf(item), item);
      return item;
    });
    if (refs.size === 0) return value;
    const values = new Map<string, unknown>();
    for (const [key, ref] of refs) {
      const bytes = fetched.get(ref.$blob) ?? fetch(ref);
      fetched.set(ref.$blob, bytes);
      values.set(key, await decode(await bytes, ref, (inner) => resolve(inner, level + 1)));
    }
    return mapValue(value, (item) => (isBlobRef(item) ? values.get(keyOf(item)) : opaque(item)));
  };
  return resolve(unpackPayload(payload), 0);
}

/** Dates, maps and the like hold no bytes of ours and are left as they are. */
function opaque(item: unknown): unknown {
  if (typeof item !== 'object' || item === null || Array.isArray(item)) return undefined;
  const prototype: unknown = Object.getPrototypeOf(item);
  return prototype === Object.prototype || prototype === null ? undefined : item;
}

async function decode(
  bytes: Uint8Array,
  { as }: BlobRef,
  resolve: (value: unknown) => Promise<unknown>,
): Promise<unknown> {
  if (as === 'bytes') return bytes;
  if (as === 'msgpack') return resolve(unpackPayload(bytes));
  return resolve(valueFromJson(JSON.parse(new TextDecoder().decode(bytes))));
}
