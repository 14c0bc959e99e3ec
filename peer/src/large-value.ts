/**
 * Values too large for a message: their large byte arrays become blobs, and where that is not enough the rest becomes one
 * more; and the way back. The rules are the protocol's (LIMITS.maxInlineBytes, blob references). No I/O.
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
/** A blob may hold a value that names blobs, and so on: {@link packLargeValue} makes two levels. */
export const MAX_BLOB_NESTING = 4;

/** A value as it travels. */
export interface PackedValue {
  readonly payload: Payload;
  /** What must be uploaded first, by SHA-256. At most LIMITS.maxBlobsPerTask. */
  readonly blobs: ReadonlyMap<string, Uint8Array>;
}

/**
 * Moves what is large into blobs, whether or not the value would fit a message.
 * @param packed the value's own encoding, where it is known already
 * @throws ProtocolError `too_large` for what even blobs do not hold
 */
export async function packLargeValue(value: unknown, packed?: Payload): Promise<PackedValue> {
  const large = new Set<Uint8Array>();
  mapValue(value, (item) => {
    if (item instanceof Uint8Array && item.length > MIN_BLOB_BYTES) large.add(item);
    return opaque(item);
  });
  // One is left for the value itself.
  const chosen = [...large].sort((a, b) => b.length - a.length).slice(0, LIMITS.maxBlobsPerTask - 1);
  const blobs = new Map<string, Uint8Array>();
  const refs = new Map<unknown, BlobRef>();
  for (const bytes of chosen) refs.set(bytes, await addBlob(blobs, bytes, 'bytes'));
  const payload =
    refs.size > 0
      ? packPayload(mapValue(value, (item) => refs.get(item) ?? opaque(item)))
      : (packed ?? packPayload(value));
  if (refs.size > 0 && payload.length <= LIMITS.maxInlineBytes) return { payload, blobs };
  return { payload: packPayload(await addBlob(blobs, payload, 'msgpack')), blobs };
}

async function addBlob(blobs: Map<string, Uint8Array>, bytes: Uint8Array, as: BlobRef['as']): Promise<BlobRef> {
  if (bytes.length > LIMITS.maxBlobBytes) {
    const mib = (bytes.length / 1_048_576).toFixed(1);
    throw new ProtocolError(
      'too_large',
      `${mib} MiB are more than one blob may hold (${LIMITS.maxBlobBytes / 1_048_576} MiB, maxBlobBytes): send it in parts`,
    );
  }
  const hash = await sha256Hex(bytes);
  blobs.set(hash, bytes);
  return { $blob: hash, size: bytes.length, as };
}

/**
 * Puts the blobs that `names` lists back into the value; each is fetched once. Other maps with `$blob` are plain data.
 * @throws ProtocolError `invalid` where blobs name blobs more than {@link MAX_BLOB_NESTING} deep
 */
export async function unpackLargeValue(
  payload: Payload,
  names: readonly string[],
  fetch: (ref: BlobRef) => Promise<Uint8Array>,
): Promise<unknown> {
  const named = new Set(names);
  const fetched = new Map<string, Promise<Uint8Array>>();
  const resolve = async (value: unknown, level: number): Promise<unknown> => {
    if (level > MAX_BLOB_NESTING)
      throw new ProtocolError('invalid', `the value nests blobs in blobs more than ${MAX_BLOB_NESTING} deep`);
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
