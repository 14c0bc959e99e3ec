/** Large inputs and outputs: what becomes a blob, and how blobs travel over an unreliable connection. */
import { createHash } from 'node:crypto';
import { type Client, connect } from '@rma/client';
import { BlobTransfers } from '@rma/client/blob-transfers';
import { packLargeValue, unpackLargeValue } from '@rma/client/blob-value';
import type { BlobRef } from '@rma/protocol/payload';
import { isBlobRef, packPayload, unpackPayload } from '@rma/protocol/payload';
import type { UpOf } from '@rma/protocol/up';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type PeerSession, PoolPeer, succeeded } from './support/pool-peer.js';

const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');
const noise = (size: number, seed = 1) =>
  Uint8Array.from({ length: size }, (_, i) => (i * 31 + seed * 17 + (i >> 8)) & 0xff);
const same = (a: Uint8Array, b: Uint8Array) => Buffer.compare(a, b) === 0;

describe('values', () => {
  const fetchFrom = (blobs: ReadonlyMap<string, Uint8Array>) => async (ref: BlobRef) => {
    const bytes = blobs.get(ref.$blob);
    if (bytes?.length !== ref.size) throw new Error('no such blob');
    return bytes;
  };

  it('give their large bytes to blobs, keep the rest, and come back whole', async () => {
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

  it('become one blob as a whole where bytes are not what makes them large', async () => {
    const value = { text: 'pool '.repeat(50_000) };
    const { payload, blobs } = await packLargeValue(value);
    const ref = unpackPayload(payload);
    expect(isBlobRef(ref) && ref.as).toBe('msgpack');
    expect(await unpackLargeValue(payload, [...blobs.keys()], fetchFrom(blobs))).toEqual(value);
  });

  it('are refused above 50 MiB, with the limit named', async () => {
    await expect(packLargeValue({ file: new Uint8Array(51 * 1_048_576) })).rejects.toThrow(/50 MiB, maxBlobBytes/);
  });

  it('leave maps alone that only look like blobs', async () => {
    const ref = { $blob: 'ab'.repeat(32), size: 3, as: 'bytes' };
    const fetch = () => Promise.reject(new Error('must not fetch'));
    expect(await unpackLargeValue(packPayload({ ref }), [], fetch)).toEqual({ ref });
  });
});

describe('transfers', () => {
  it('resume an upload at the offset of the next session, within credit', async () => {
    const transfers = new BlobTransfers();
    const bytes = noise(40_000);
    const stored = transfers.upload(sha256(bytes), bytes);
    expect(transfers.takeControl()).toMatchObject([{ type: 'blob.put', stream: 1, size: 40_000 }]);
    transfers.receive({ type: 'blob.ready', stream: 1, offset: 0, credit: 20_000 }, 0, 0);
    expect(
      [transfers.takeData(), transfers.takeData(), transfers.takeData()].map((frame) => (frame as Uint8Array)?.length),
    ).toEqual([16_389, 3_621, undefined]);
    transfers.lost();
    expect(transfers.takeControl()).toMatchObject([{ type: 'blob.put', stream: 1 }]);
    transfers.receive({ type: 'blob.ready', stream: 1, offset: 39_990, credit: 100 }, 0, 0);
    expect((transfers.takeData() as Uint8Array).length).toBe(15);
    expect(transfers.takeData()).toEqual({ type: 'stream.end', stream: 1 });
    transfers.receive({ type: 'blob.stored', stream: 1, blob: sha256(bytes) }, 0, 0);
    await stored;
    expect(transfers.size).toBe(0);
  });

  it('resume a download after the bytes that are here, and grant credit as they come', async () => {
    const transfers = new BlobTransfers();
    const bytes = noise(300_000);
    const arriving = transfers.download({ $blob: sha256(bytes), size: bytes.length, as: 'bytes' });
    expect(transfers.takeControl()).toMatchObject([{ type: 'blob.get', stream: 1, offset: 0, credit: 262_144 }]);
    transfers.receive({ type: 'blob.head', stream: 1, size: bytes.length }, 0, 0);
    transfers.data(1, bytes.subarray(0, 131_072));
    expect(transfers.takeControl()).toEqual([{ type: 'stream.credit', stream: 1, bytes: 131_072 }]);
    transfers.lost();
    expect(transfers.takeControl()).toMatchObject([{ type: 'blob.get', stream: 1, offset: 131_072 }]);
    transfers.receive({ type: 'blob.head', stream: 1, size: bytes.length }, 0, 0);
    transfers.data(1, bytes.subarray(131_072));
    transfers.receive({ type: 'stream.end', stream: 1 }, 0, 0);
    expect(same(await arriving, bytes)).toBe(true);
  });

  it('are tried again where the coordinator cannot just now, and fail where it never can', async () => {
    const transfers = new BlobTransfers();
    const bytes = noise(10);
    const stored = transfers.upload(sha256(bytes), bytes);
    transfers.takeControl();
    const busy = { kind: 'unavailable', message: 'the same blob is being uploaded' } as const;
    transfers.receive({ type: 'stream.abort', stream: 1, error: busy }, 1_000, 1);
    expect(transfers.dueAtMs()).toBe(1_250);
    expect(transfers.takeControl()).toEqual([]);
    transfers.tick(1_250);
    expect(transfers.takeControl()).toMatchObject([{ type: 'blob.put', stream: 2 }]);
    transfers.receive({ type: 'stream.abort', stream: 2, error: { kind: 'too_large', message: 'x' } }, 2_000, 1);
    await expect(stored).rejects.toMatchObject({ kind: 'too_large' });
  });

  it('end a download that brings more than its reference says', async () => {
    const transfers = new BlobTransfers();
    const arriving = transfers.download({ $blob: '00'.repeat(32), size: 3, as: 'bytes' });
    transfers.takeControl();
    transfers.receive({ type: 'blob.head', stream: 1, size: 3 }, 0, 0);
    transfers.data(1, noise(4));
    await expect(arriving).rejects.toMatchObject({ kind: 'invalid' });
    expect(transfers.takeControl()).toMatchObject([{ type: 'stream.abort', stream: 1 }]);
  });
});

describe('over a socket', () => {
  let peer: PoolPeer;
  let client: Client;

  beforeEach(async () => {
    peer = await PoolPeer.start();
    client = connect({ url: peer.url, token: 'a token' });
  });

  afterEach(async () => {
    await client.close();
    await peer.empty();
    await peer.stop();
  });

  async function receive(
    session: PeerSession,
    put: UpOf<'blob.put'>,
    from: number,
    until: number,
  ): Promise<Uint8Array> {
    session.send({ type: 'blob.ready', stream: put.stream, offset: from, credit: until - from });
    const parts: Uint8Array[] = [];
    for (let at = from; at < until; ) {
      const { bytes } = await session.data.next();
      parts.push(bytes);
      at += bytes.length;
    }
    return Buffer.concat(parts);
  }

  it('uploads a large input, through a lost connection, before the task is submitted', async () => {
    const file = noise(500_000);
    const task = client.submit('ocr.read', { file });
    const first = await peer.session();
    const put = await first.next('blob.put');
    expect(put).toMatchObject({ blob: sha256(file), size: file.length });
    const start = await receive(first, put, 0, 200_000);
    first.kill();
    const second = await peer.session();
    const again = await second.next('blob.put');
    const rest = await receive(second, again, 200_000, file.length);
    await second.next('stream.end');
    expect(same(Buffer.concat([start, rest]), file)).toBe(true);
    expect(second.messages.size).toBe(0);
    second.send({ type: 'blob.stored', stream: again.stream, blob: again.blob });
    const { tasks } = await second.next('submit');
    expect(tasks[0]).toMatchObject({ id: task.id, blobs: [sha256(file)] });
    second.send({ type: 'accepted', tasks: [task.id] });
    await task.accepted;
  });

  it('lets a small submit overtake a large upload where the uplink is slow', async () => {
    const size = 40_000_000;
    client.submit('ocr.read', { file: new Uint8Array(size).fill(7) });
    const session = await peer.session();
    const put = await session.next('blob.put');
    session.send({ type: 'blob.ready', stream: put.stream, offset: 0, credit: size });
    await session.data.next();
    session.pause();
    const small = client.submit('echo', 1);
    session.resume();
    expect((await session.next('submit')).tasks[0]?.id).toBe(small.id);
    // What the kernel had taken before is ahead of it; the rest of the upload is not.
    expect(session.data.size * 16_384).toBeLessThan(size / 2);
  });

  async function serve(session: PeerSession, bytes: Uint8Array): Promise<UpOf<'blob.get'>> {
    const get = await session.next('blob.get');
    session.send({ type: 'blob.head', stream: get.stream, size: bytes.length });
    for (let at = get.offset; at < bytes.length; at += 16_384)
      session.sendData(get.stream, bytes.subarray(at, at + 16_384));
    session.send({ type: 'stream.end', stream: get.stream });
    return get;
  }

  it('leaves what an output refers to with the coordinator for who wants to choose what to fetch', async () => {
    const image = noise(100_000);
    const ref: BlobRef = { $blob: sha256(image), size: image.length, as: 'bytes' };
    const task = client.submit('scale');
    const session = await peer.session();
    await session.next('submit');
    const end = { ...succeeded(task.id, { image: ref }), blobs: [ref.$blob] };
    session.send({ type: 'accepted', tasks: [task.id] }, { type: 'ended', tasks: [end] });
    const result = await task.resultByReference();
    expect(result).toMatchObject({ state: 'succeeded', output: { image: ref } });
    expect([...result.blobs]).toEqual([ref.$blob]);
    expect(session.messages.size).toBe(0);
    const arriving = client.blob(ref, task.id);
    expect(await serve(session, image)).toMatchObject({ blob: ref.$blob, task: task.id });
    expect(same(await arriving, image)).toBe(true);
  });

  it('puts a large output back together, and asks again for one that arrived damaged', async () => {
    const image = noise(100_000);
    const damaged = image.slice();
    damaged[5_000] = 1 ^ (damaged[5_000] as number);
    const task = client.submit<{ image: Uint8Array }>('scale');
    const session = await peer.session();
    await session.next('submit');
    const ref: BlobRef = { $blob: sha256(image), size: image.length, as: 'bytes' };
    session.send({ type: 'ended', tasks: [succeeded(task.id, { image: ref }, { blobs: [ref.$blob] })] });
    const output = task.output();
    await serve(session, damaged);
    expect((await serve(session, image)).offset).toBe(0);
    expect(same((await output).image, image)).toBe(true);
  });

  it('rejects an output that arrives damaged twice', async () => {
    const task = client.submit('scale');
    const session = await peer.session();
    await session.next('submit');
    const ref: BlobRef = { $blob: '00'.repeat(32), size: 10, as: 'bytes' };
    session.send({ type: 'ended', tasks: [succeeded(task.id, ref, { blobs: [ref.$blob] })] });
    const output = task.output();
    await serve(session, noise(10));
    await Promise.all([serve(session, noise(10)), expect(output).rejects.toThrow(/damaged twice/)]);
  });
});
