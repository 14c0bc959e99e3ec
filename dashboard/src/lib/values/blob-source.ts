/** Fetches the blobs that a task's values refer to, and decodes them. */
import type { BlobRef } from '@rma/client';
import { mapValue, unpackPayload, valueFromJson } from '@rma/protocol/payload';
import { asBlob } from './shape.js';

/** Nesting of blobs in the values of blobs; an honest sender needs one level. */
const MAX_LEVELS = 4;

export interface BlobSource {
  /** The hashes that the task refers to; any other map that looks like a reference is plain data. */
  readonly names: ReadonlySet<string>;
  fetch(ref: BlobRef): Promise<Uint8Array>;
}

export const NO_BLOBS: BlobSource = {
  names: new Set(),
  fetch: ({ $blob }) => Promise.reject(new Error(`unknown blob ${$blob}`)),
};

/** Larger blobs are fetched only on request. */
export const FETCHED_AT_ONCE_BYTES = 2 * 1_048_576;

/** @throws ProtocolError or SyntaxError where the bytes are not what the reference says */
export function valueOfBlob(bytes: Uint8Array, { as }: BlobRef): unknown {
  if (as === 'bytes') return bytes;
  if (as === 'msgpack') return unpackPayload(bytes);
  return valueFromJson(JSON.parse(new TextDecoder().decode(bytes)));
}

/** The value with all blob references replaced by their content. */
export async function wholeValue(value: unknown, source: BlobSource, level = 0): Promise<unknown> {
  if (level > MAX_LEVELS) throw new Error('the value nests blobs in blobs too deeply');
  const refs = new Map<string, BlobRef>();
  mapValue(value, (item) => {
    const ref = asBlob(item, source.names);
    if (ref) refs.set(`${ref.as} ${ref.$blob}`, ref);
    return ref ? item : undefined;
  });
  if (refs.size === 0) return value;
  const values = new Map<string, unknown>();
  for (const [key, ref] of refs) {
    values.set(key, await wholeValue(valueOfBlob(await source.fetch(ref), ref), source, level + 1));
  }
  return mapValue(value, (item) => {
    const ref = asBlob(item, source.names);
    return ref ? values.get(`${ref.as} ${ref.$blob}`) : undefined;
  });
}
