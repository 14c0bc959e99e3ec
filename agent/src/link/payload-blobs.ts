/**
 * Values too large for a message: an output's large parts become blobs, an input's blob references become what they
 * stand for. The rules are the protocol's (LIMITS.maxInlineBytes, blob references).
 */
import { webcrypto } from 'node:crypto';
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
import { TaskError } from '@rma/workloads/runtime';

/** Bytes inside a value that are longer than this travel as blobs of their own, once the value is too large. */
const OWN_BLOB_BYTES = 16_384;

/** A value as it travels: a payload that fits a message, and the blobs that it names. */
export interface Spilled {
  readonly payload: Payload;
  /** By hash. */
  readonly blobs: ReadonlyMap<string, Uint8Array>;
}

/**
 * Moves the large parts of a value out of its payload.
 * @param packed the value's own encoding
 * @throws TaskError `output.too_large` for what even blobs do not hold
 */
export async function spill(value: unknown, packed: Payload): Promise<Spilled> {
  if (packed.length <= LIMITS.maxInlineBytes) return { payload: packed, blobs: new Map() };
  const large = new Set<Uint8Array>();
  mapValue(value, (item) => {
    if (item instanceof Uint8Array && item.length > OWN_BLOB_BYTES) large.add(item);
    return opaque(item);
  });
  // One is kept free for the value itself.
  const chosen = [...large].sort((a, b) => b.length - a.length).slice(0, LIMITS.maxBlobsPerTask - 1);
  const blobs = new Map<string, Uint8Array>();
  const refs = new Map<Uint8Array, BlobRef>();
  for (const bytes of chosen) refs.set(bytes, await addBlob(blobs, bytes, 'bytes'));
  if (refs.size > 0) {
    const payload = packPayload(
      mapValue(value, (item) => (item instanceof Uint8Array ? refs.get(item) : undefined) ?? opaque(item)),
    );
    if (payload.length <= LIMITS.maxInlineBytes) return { payload, blobs };
    return { payload: packPayload(await addBlob(blobs, payload, 'msgpack')), blobs };
  }
  return { payload: packPayload(await addBlob(blobs, packed, 'msgpack')), blobs };
}

/** The value of a payload, with every reference to one of the given blobs replaced by what it stands for. */
export function resolvePayload(payload: Payload, blobs: ReadonlyMap<string, Uint8Array>): unknown {
  return resolveValue(unpackPayload(payload), blobs);
}

function resolveValue(value: unknown, blobs: ReadonlyMap<string, Uint8Array>): unknown {
  return mapValue(value, (item) => {
    if (!isBlobRef(item)) return opaque(item);
    const bytes = blobs.get(item.$blob);
    if (bytes === undefined) return undefined;
    if (item.as === 'bytes') return bytes;
    // A blob cannot hold its own hash, so this ends.
    if (item.as === 'msgpack') return resolveValue(unpackPayload(bytes), blobs);
    return resolveValue(valueFromJson(JSON.parse(new TextDecoder().decode(bytes))), blobs);
  });
}

/** Objects that the encoding knows and that are not to be taken apart. */
function opaque(item: unknown): unknown {
  if (typeof item !== 'object' || item === null) return undefined;
  return item instanceof Date || item instanceof Map || item instanceof Set || ArrayBuffer.isView(item)
    ? item
    : undefined;
}

async function addBlob(blobs: Map<string, Uint8Array>, bytes: Uint8Array, as: BlobRef['as']): Promise<BlobRef> {
  if (bytes.length > LIMITS.maxBlobBytes) {
    const message = `the output has a part of ${bytes.length} bytes; at most ${LIMITS.maxBlobBytes} (maxBlobBytes) are taken. Split it into several values.`;
    throw new TaskError('output.too_large', message);
  }
  // In the thread pool: 50 MiB take a tenth of a second.
  const digest = await webcrypto.subtle.digest('SHA-256', bytes as Uint8Array<ArrayBuffer>);
  const hash = Buffer.from(digest).toString('hex');
  blobs.set(hash, bytes);
  return { $blob: hash, size: bytes.length, as };
}
