/** Blobs over streams: both ways within their credit, up to 50 MiB, resumed, checked, and refused where they are wrong. */
import { createHash, randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { LIMITS } from '@rma/protocol/limits';
import { SUBPROTOCOLS } from '@rma/protocol/version';
import { openDatabase } from '@rma/server/store/sqlite';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { Peer } from '../support/peer.js';
import { eventually, usePool } from '../support/pool.js';

const pool = usePool();
const MIB = 1_048_576;
const hashOf = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');

/** Sends from `offset` on as credit comes, up to `until`. */
async function send(
  peer: Peer,
  stream: number,
  bytes: Uint8Array,
  offset: number,
  credit: number,
  until = bytes.length,
) {
  let left = credit;
  for (let at = offset; at < until; ) {
    if (left === 0) left += (await peer.waitFor('stream.credit', (message) => message.stream === stream)).bytes;
    const size = Math.min(left, LIMITS.streamFrameBytes, until - at);
    peer.sendData(stream, bytes.subarray(at, at + size));
    at += size;
    left -= size;
  }
}

async function put(peer: Peer, stream: number, bytes: Uint8Array, blob = hashOf(bytes)): Promise<{ offset: number }> {
  peer.send({ type: 'blob.put', stream, blob, size: bytes.length });
  const held = await peer.until(
    () =>
      peer.inbox.find(
        (message) => message.type !== 'stream.credit' && 'stream' in message && message.stream === stream,
      ),
    'an answer to blob.put',
  );
  if (held.type === 'blob.stored') return { offset: bytes.length };
  const { offset, credit } = await peer.waitFor('blob.ready', (message) => message.stream === stream);
  await send(peer, stream, bytes, offset, credit);
  peer.send({ type: 'stream.end', stream });
  return { offset };
}

/** As `put`, asked again while the upload that was given up before is still being let go; answers the stream. */
async function putAgain(peer: Peer, stream: number, bytes: Uint8Array): Promise<{ stream: number; offset: number }> {
  let at = stream;
  const ready = await eventually(async () => {
    peer.send({ type: 'blob.put', stream: at++, blob: hashOf(bytes), size: bytes.length });
    const answer = await peer.until(() => {
      const i = peer.inbox.findIndex(({ type }) => type === 'blob.ready' || type === 'stream.abort');
      return i < 0 ? undefined : peer.inbox.splice(i, 1)[0];
    }, 'an answer to blob.put');
    if (answer.type !== 'blob.ready') throw new Error(JSON.stringify(answer));
    return answer;
  });
  await send(peer, ready.stream, bytes, ready.offset, ready.credit);
  peer.send({ type: 'stream.end', stream: ready.stream });
  return ready;
}

const stored = (peer: Peer, stream: number) =>
  peer.waitFor('blob.stored', (message) => message.stream === stream, 30_000);
const aborted = async (peer: Peer, stream: number) =>
  (await peer.waitFor('stream.abort', (message) => message.stream === stream)).error;

/** Takes what comes, granting as much again each time half of the window is used up. */
async function get(
  peer: Peer,
  stream: number,
  blob: string,
  offset = 0,
  window: number = LIMITS.streamWindowBytes,
): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  let taken = 0;
  let granted = window;
  peer.send({ type: 'blob.get', stream, blob, offset, credit: window });
  const { size } = await peer.waitFor('blob.head', (message) => message.stream === stream);
  await peer.until(
    () => {
      for (const { bytes } of peer.data.splice(0)) {
        expect(bytes.length).toBeLessThanOrEqual(LIMITS.streamFrameBytes);
        parts.push(bytes);
        taken += bytes.length;
      }
      expect(taken).toBeLessThanOrEqual(granted);
      const more = taken + window - granted;
      if (more >= window / 2 && taken < size - offset) {
        granted += more;
        peer.send({ type: 'stream.credit', stream, bytes: more });
      }
      return peer.inbox.some((message) => message.type === 'stream.end' && message.stream === stream)
        ? true
        : undefined;
    },
    'the end of the stream',
    30_000,
  );
  await peer.waitFor('stream.end', (message) => message.stream === stream);
  return Buffer.concat(parts);
}

describe.each(SUBPROTOCOLS)('over %s', (subprotocol) => {
  it.each([0, 1, LIMITS.streamFrameBytes, LIMITS.streamWindowBytes + 1, 3 * MIB])(
    'a blob of %i bytes goes up and comes down as it was, also from an offset',
    async (size) => {
      const peer = await pool.client(undefined, { subprotocol });
      const bytes = randomBytes(size);
      const blob = hashOf(bytes);
      await put(peer, 1, bytes);
      expect(await stored(peer, 1)).toEqual({ type: 'blob.stored', stream: 1, blob });
      expect(hashOf(await get(peer, 2, blob))).toBe(blob);
      expect((await get(peer, 3, blob, size)).length).toBe(0);
      const half = Math.floor(size / 2);
      expect(hashOf(await get(peer, 4, blob, half, 1_000))).toBe(hashOf(bytes.subarray(half)));
      peer.send({ type: 'blob.put', stream: 5, blob, size });
      await stored(peer, 5);
    },
  );
});

it('a blob of 50 MiB goes up and comes down; heartbeats and queries get between', { timeout: 120_000 }, async () => {
  const peer = await pool.client();
  const bytes = randomBytes(LIMITS.maxBlobBytes);
  const uploading = put(peer, 1, bytes);
  expect(await peer.ask({ type: 'query', query: { what: 'tasks' } })).toEqual([]);
  await uploading;
  const { blob } = await stored(peer, 1);
  const downloading = get(peer, 2, blob);
  expect(await peer.ask({ type: 'query', query: { what: 'tasks' } })).toEqual([]);
  expect(hashOf(await downloading)).toBe(blob);
});

describe('an upload', () => {
  it('that was cut goes on where it stopped, on the next connection', async () => {
    const bytes = randomBytes(2 * MIB);
    const blob = hashOf(bytes);
    const first = await pool.client();
    first.send({ type: 'blob.put', stream: 1, blob, size: bytes.length });
    const { credit } = await first.waitFor('blob.ready');
    await send(first, 1, bytes, 0, credit, MIB);
    // What was granted again has been written.
    const window = LIMITS.streamWindowBytes;
    let granted = 0;
    while (granted < window) granted += (await first.waitFor('stream.credit')).bytes;
    await first.kill();
    const second = await pool.client();
    const { stream, offset } = await putAgain(second, 1, bytes);
    expect(offset).toBeGreaterThan(0);
    expect(offset).toBeLessThanOrEqual(MIB);
    await stored(second, stream);
    expect(hashOf(await get(second, stream + 1, blob))).toBe(blob);
  });

  it('of a blob that is there is answered at once, and it is held anew', async () => {
    const peer = await pool.client();
    const bytes = randomBytes(10);
    const blob = hashOf(bytes);
    await put(peer, 1, bytes);
    await stored(peer, 1);
    const database = openDatabase(join(pool.coordinator.data, 'pool.db'));
    onTestFinished(() => void database.close());
    // As if it had been put almost an hour ago.
    database.prepare('UPDATE blobs SET held_since = held_since - 3599000 WHERE blob = ?').run(blob);
    await put(peer, 2, bytes);
    await stored(peer, 2);
    const heldSince = database.prepare('SELECT held_since FROM blobs WHERE blob = ?').pluck().get(blob) as number;
    expect(heldSince).toBeGreaterThan(Date.now() - 600_000);
  });

  it('whose bytes have another hash is refused, and begins anew', async () => {
    const peer = await pool.client();
    const bytes = randomBytes(1_000);
    const blob = hashOf(bytes);
    await put(peer, 1, randomBytes(1_000), blob);
    expect(await aborted(peer, 1)).toMatchObject({ kind: 'invalid', message: expect.stringContaining(blob) });
    expect(await put(peer, 2, bytes)).toEqual({ offset: 0 });
    await stored(peer, 2);
  });

  it('that ends too early is refused, and what came is kept', async () => {
    const peer = await pool.client();
    const bytes = randomBytes(1_000);
    peer.send({ type: 'blob.put', stream: 1, blob: hashOf(bytes), size: 1_000 });
    await peer.waitFor('blob.ready');
    peer.sendData(1, bytes.subarray(0, 400));
    peer.send({ type: 'stream.end', stream: 1 });
    expect(await aborted(peer, 1)).toMatchObject({ kind: 'invalid', message: expect.stringContaining('400') });
    expect(await put(peer, 2, bytes)).toEqual({ offset: 400 });
    await stored(peer, 2);
  });

  it('of more than was announced, above its credit, or in frames above 16 KiB is cut off', async () => {
    const peer = await pool.client();
    const begin = async (stream: number, size: number) => {
      peer.send({ type: 'blob.put', stream, blob: hashOf(randomBytes(8)), size });
      await peer.waitFor('blob.ready', (message) => message.stream === stream);
    };
    await begin(1, 10);
    peer.sendData(1, new Uint8Array(11));
    expect(await aborted(peer, 1)).toMatchObject({
      kind: 'too_large',
      message: expect.stringContaining('announced 10'),
    });
    await begin(2, 100_000);
    peer.sendData(2, new Uint8Array(LIMITS.streamFrameBytes + 1));
    expect(await aborted(peer, 2)).toMatchObject({
      kind: 'too_large',
      message: expect.stringContaining('streamFrameBytes'),
    });
    await begin(3, 10 * MIB);
    for (let i = 0; i < 200; i++) peer.sendData(3, new Uint8Array(LIMITS.streamFrameBytes));
    expect(await aborted(peer, 3)).toMatchObject({ kind: 'too_large', message: expect.stringContaining('credit') });
    // Nothing of it disturbs the session.
    await put(peer, 4, randomBytes(10));
    await stored(peer, 4);
  });

  it('above 50 MiB is invalid', async () => {
    const peer = await pool.client();
    peer.send({ type: 'blob.put', stream: 1, blob: 'ab'.repeat(32), size: LIMITS.maxBlobBytes + 1 });
    expect((await peer.waitFor('error')).error).toMatchObject({ kind: 'invalid', path: '/size' });
  });

  it('of the same blob at the same time has to wait; once it was given up the other goes on', async () => {
    const [first, second] = [await pool.client(), await pool.client()];
    const bytes = randomBytes(100);
    const blob = hashOf(bytes);
    first.send({ type: 'blob.put', stream: 1, blob, size: 100 });
    await first.waitFor('blob.ready');
    second.send({ type: 'blob.put', stream: 1, blob, size: 100 });
    expect(await aborted(second, 1)).toMatchObject({ kind: 'unavailable' });
    first.send({ type: 'stream.abort', stream: 1, error: { kind: 'unavailable', message: 'enough' } });
    await stored(second, (await putAgain(second, 2, bytes)).stream);
  });

  it('that is given up right after it was asked for frees its blob', async () => {
    const peer = await pool.client();
    const bytes = randomBytes(100);
    peer.send(
      { type: 'blob.put', stream: 1, blob: hashOf(bytes), size: 100 },
      { type: 'stream.abort', stream: 1, error: { kind: 'unavailable', message: 'enough' } },
    );
    await stored(peer, (await putAgain(peer, 2, bytes)).stream);
    expect(pool.coordinator.counts().streams).toBe(0);
  });

  it('with empty data frames is not disturbed by them', async () => {
    const peer = await pool.client();
    const bytes = randomBytes(100);
    peer.send({ type: 'blob.put', stream: 1, blob: hashOf(bytes), size: 100 });
    await peer.waitFor('blob.ready');
    for (const part of [new Uint8Array(), bytes, new Uint8Array()]) peer.sendData(1, part);
    peer.send({ type: 'stream.end', stream: 1 });
    await stored(peer, 1);
    expect(peer.inbox.filter(({ type }) => type === 'stream.credit')).toEqual([]);
  });
});

describe('streams', () => {
  it('have numbers that only grow', async () => {
    const peer = await pool.client();
    await put(peer, 7, randomBytes(10));
    await stored(peer, 7);
    for (const stream of [7, 3]) {
      peer.send({ type: 'blob.get', stream, blob: 'ab'.repeat(32), offset: 0, credit: 1 });
      expect(await aborted(peer, stream)).toMatchObject({ kind: 'invalid', path: '/stream' });
    }
  });

  it('a number that is used again while its stream is open ends that stream, and not the session', async () => {
    const peer = await pool.client();
    const bytes = randomBytes(100);
    const blob = hashOf(bytes);
    peer.send({ type: 'blob.put', stream: 1, blob, size: 100 });
    await peer.waitFor('blob.ready');
    peer.send({ type: 'blob.get', stream: 1, blob, offset: 0, credit: 1 });
    expect(await aborted(peer, 1)).toMatchObject({ kind: 'invalid', path: '/stream' });
    peer.sendData(1, bytes);
    peer.send({ type: 'stream.end', stream: 1 });
    await stored(peer, (await putAgain(peer, 2, bytes)).stream);
    expect(peer.inbox.filter(({ type }) => type !== 'stream.credit')).toEqual([]);
  });

  it('are at most 64 at once in a session, and the limit is named', async () => {
    const peer = await pool.client();
    for (let stream = 1; stream <= LIMITS.maxStreams; stream++) {
      peer.send({ type: 'blob.put', stream, blob: hashOf(randomBytes(8)), size: 10 });
    }
    for (let stream = 1; stream <= LIMITS.maxStreams; stream++) await peer.waitFor('blob.ready');
    peer.send({ type: 'blob.put', stream: 65, blob: hashOf(randomBytes(8)), size: 10 });
    expect(await aborted(peer, 65)).toMatchObject({
      kind: 'rate_limited',
      message: expect.stringContaining('maxStreams'),
    });
    expect(pool.coordinator.counts().streams).toBe(LIMITS.maxStreams);
  });

  it('without credit send nothing, and go on with it; a download from beyond the end is invalid', async () => {
    const peer = await pool.client();
    const bytes = randomBytes(1_000);
    await put(peer, 1, bytes);
    const { blob } = await stored(peer, 1);
    peer.send({ type: 'blob.get', stream: 2, blob, offset: 0, credit: 0 });
    await peer.waitFor('blob.head');
    await peer.ask({ type: 'query', query: { what: 'tasks' } });
    expect(peer.data).toEqual([]);
    for (const bytesMore of [1, 600, 600]) peer.send({ type: 'stream.credit', stream: 2, bytes: bytesMore });
    await peer.waitFor('stream.end');
    expect(hashOf(Buffer.concat(peer.data.map((frame) => frame.bytes)))).toBe(blob);
    peer.send({ type: 'blob.get', stream: 3, blob, offset: 1_001, credit: 1 });
    expect(await aborted(peer, 3)).toMatchObject({ kind: 'invalid', path: '/offset' });
  });

  it('that are unknown count as no violation: their frames were in flight', async () => {
    const peer = await pool.client();
    for (let i = 0; i < 20; i++) {
      peer.sendData(99, new Uint8Array(10));
      peer.send({ type: 'stream.end', stream: 99 }, { type: 'stream.credit', stream: 99, bytes: 1 });
    }
    expect(await peer.ask({ type: 'query', query: { what: 'tasks' } })).toEqual([]);
    expect(peer.inbox).toEqual([]);
  });
});
