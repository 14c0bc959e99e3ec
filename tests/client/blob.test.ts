/** Large inputs and outputs of the SDK over an unreliable connection. */
import { createHash } from 'node:crypto';
import { type Client, connect } from '@rma/client';
import type { BlobRef } from '@rma/protocol/payload';
import type { UpOf } from '@rma/protocol/up';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type PeerSession, PoolPeer, succeeded } from './support/pool-peer.js';

const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');
const noise = (size: number, seed = 1) =>
  Uint8Array.from({ length: size }, (_, i) => (i * 31 + seed * 17 + (i >> 8)) & 0xff);
const same = (a: Uint8Array, b: Uint8Array) => Buffer.compare(a, b) === 0;

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
