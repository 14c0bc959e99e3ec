/** What of a large value becomes a blob, and how it comes back. */
import { createHash } from 'node:crypto';
import { MAX_BLOB_NESTING, packLargeValue, unpackLargeValue } from '@rma/peer/large-value';
import { LIMITS } from '@rma/protocol/limits';
import { type BlobRef, isBlobRef, packPayload, unpackPayload } from '@rma/protocol/payload';
import { expect, it } from 'vitest';

const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');
const noise = (size: number, seed = 1) =>
  Uint8Array.from({ length: size }, (_, i) => (i * 31 + seed * 17 + (i >> 8)) & 0xff);
const same = (a: Uint8Array, b: Uint8Array) => Buffer.compare(a, b) === 0;

const fetchFrom = (blobs: ReadonlyMap<string, Uint8Array>) => async (ref: BlobRef) => {
  const bytes = blobs.get(ref.$blob);
  if (bytes?.length !== ref.size) throw new Error('no such blob');
  return bytes;
};

it('gives large bytes to blobs, keeps the rest, and comes back whole', async () => {
  const at = new Date(0);
  const value = { file: noise(100_000), small: noise(100), at, pages: [noise(70_000, 2), noise(100_000)] };
  const { payload, blobs } = await packLargeValue(value);
  expect([...blobs.keys()].sort()).toEqual([sha256(noise(100_000)), sha256(noise(70_000, 2))].sort());
  const packed = unpackPayload(payload) as typeof value;
  expect(packed.file).toEqual({ $blob: sha256(noise(100_000)), size: 100_000, as: 'bytes' });
  const back = (await unpackLargeValue(payload, [...blobs.keys()], fetchFrom(blobs))) as typeof value;
  expect(same(back.file, value.file)).toBe(true);
  expect(same(back.pages[0] as Uint8Array, value.pages[0] as Uint8Array)).toBe(true);
  expect(back.at).toEqual(at);
});

it('makes one blob of the whole where bytes are not what makes it large', async () => {
  const value = { text: 'pool '.repeat(50_000) };
  const { payload, blobs } = await packLargeValue(value);
  const ref = unpackPayload(payload);
  expect(isBlobRef(ref) && ref.as).toBe('msgpack');
  expect(await unpackLargeValue(payload, [...blobs.keys()], fetchFrom(blobs))).toEqual(value);
});

it('names no more blobs than a task may, however many parts are large', async () => {
  const value = Array.from({ length: 80 }, (_, n) => noise(20_000 + n, n));
  const { payload, blobs } = await packLargeValue(value);
  expect(blobs.size).toBeLessThanOrEqual(LIMITS.maxBlobsPerTask);
  const back = (await unpackLargeValue(payload, [...blobs.keys()], fetchFrom(blobs))) as Uint8Array[];
  expect(back.every((bytes, n) => same(bytes, value[n] as Uint8Array))).toBe(true);
});

it('refuses what is above 50 MiB, and names the limit', async () => {
  await expect(packLargeValue({ file: new Uint8Array(51 * 1_048_576) })).rejects.toThrow(/50 MiB, maxBlobBytes/);
});

it('leaves maps alone that only look like blobs', async () => {
  const ref = { $blob: 'ab'.repeat(32), size: 3, as: 'bytes' };
  const fetch = () => Promise.reject(new Error('must not fetch'));
  expect(await unpackLargeValue(packPayload({ ref }), [], fetch)).toEqual({ ref });
});

it('follows blobs that name blobs to a limit, and refuses what nests deeper', async () => {
  const blobs = new Map<string, Uint8Array>();
  let payload: Uint8Array = packPayload('the core');
  for (let level = 1; level <= MAX_BLOB_NESTING + 1; level += 1) {
    blobs.set(sha256(payload), payload);
    payload = packPayload({ $blob: sha256(payload), size: payload.length, as: 'msgpack' });
    const value = unpackLargeValue(payload, [...blobs.keys()], fetchFrom(blobs));
    if (level <= MAX_BLOB_NESTING) expect(await value).toBe('the core');
    else await expect(value).rejects.toMatchObject({ kind: 'invalid', message: expect.stringContaining('nests') });
  }
});
