/** Uploads and downloads as a state machine: no socket, time and chance are given. */
import { createHash } from 'node:crypto';
import { sourceOf } from '@rma/peer/blob-source';
import { BlobTransfers } from '@rma/peer/blob-transfers';
import { TokenBucket } from '@rma/peer/token-bucket';
import type { ProtocolError } from '@rma/protocol/error';
import { decodeStreamData } from '@rma/protocol/stream';
import type { Up } from '@rma/protocol/up';
import { describe, expect, it } from 'vitest';

const ATTEMPT = { task: '01900000-0000-7000-8000-000000000001', attempt: 1 };
const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');
const noise = (size: number, seed = 1) => Uint8Array.from({ length: size }, (_, i) => (i * 31 + seed * 17) & 0xff);
const BYTES = noise(100_000);
const BLOB = sha256(BYTES);

/** A table of transfers, online, whose listeners note how each ended. */
function table(transfers = new BlobTransfers()) {
  const ends: (string | ProtocolError)[] = [];
  const listener = (name: string) => ({
    done: (bytes: Uint8Array | undefined) => ends.push(`${name} ${bytes === undefined ? 'stored' : sha256(bytes)}`),
    failed: (error: ProtocolError) => ends.push(error),
  });
  transfers.online();
  return {
    transfers,
    control: (nowMs = 0) => transfers.takeControl(nowMs, 0),
    upload: (bytes: Uint8Array, name = 'up') =>
      transfers.upload(sha256(bytes), sourceOf(bytes), { attempt: ATTEMPT }, listener(name)),
    download: (blob = BLOB, size?: number) => transfers.download(blob, size, {}, listener('down')),
    reconnect() {
      transfers.offline();
      transfers.online();
    },
    /** Checks the hashes that are to be checked, and hands the ends over. */
    ends(nowMs = 0) {
      for (const download of transfers.takeUnchecked()) transfers.checked(download, sha256(download.bytes), nowMs, 0);
      transfers.deliver();
      return ends.splice(0);
    },
  };
}

function taken(transfers: BlobTransfers, nowMs = 0): (Uint8Array | Up)[] {
  const all: (Uint8Array | Up)[] = [];
  for (let next = transfers.takeData(nowMs); next; next = transfers.takeData(nowMs)) all.push(next);
  return all;
}

const bytesOf = (frames: readonly (Uint8Array | Up)[]) =>
  Buffer.concat(frames.flatMap((frame) => (frame instanceof Uint8Array ? [decodeStreamData(frame).bytes] : [])));

describe('a download', () => {
  it('goes on after a reconnect from the byte where it stopped, and is checked', () => {
    const { transfers, control, download, reconnect, ends } = table();
    download();
    expect(control()).toMatchObject([{ type: 'blob.get', stream: 1, offset: 0, credit: 262_144 }]);
    transfers.received({ type: 'blob.head', stream: 1, size: BYTES.length }, 1, 0);
    transfers.data(1, BYTES.subarray(0, 40_000), 1);
    reconnect();
    expect(control()).toMatchObject([{ type: 'blob.get', stream: 1, offset: 40_000 }]);
    transfers.received({ type: 'blob.head', stream: 1, size: BYTES.length }, 2, 0);
    transfers.data(1, BYTES.subarray(40_000), 3);
    transfers.received({ type: 'stream.end', stream: 1 }, 3, 0);
    expect(ends()).toEqual([`down ${BLOB}`]);
    expect(transfers.size).toBe(0);
  });

  it('keeps its hash check over a lost session', () => {
    const { transfers, control, download, reconnect, ends } = table();
    download();
    control();
    transfers.received({ type: 'blob.head', stream: 1, size: BYTES.length }, 1, 0);
    transfers.data(1, BYTES, 1);
    transfers.received({ type: 'stream.end', stream: 1 }, 1, 0);
    const [unchecked] = transfers.takeUnchecked();
    reconnect();
    expect(control()).toEqual([]);
    if (unchecked) transfers.checked(unchecked, BLOB, 2, 0);
    expect(ends()).toEqual([`down ${BLOB}`]);
  });

  it('grants credit as bytes come, once half a window was used', () => {
    const { transfers, control, download } = table();
    const large = new Uint8Array(600_000);
    download(sha256(large));
    control();
    transfers.received({ type: 'blob.head', stream: 1, size: large.length }, 1, 0);
    transfers.data(1, large.subarray(0, 100_000), 1);
    expect(control()).toEqual([]);
    transfers.data(1, large.subarray(0, 100_000), 1);
    expect(control()).toEqual([{ type: 'stream.credit', stream: 1, bytes: 200_000 }]);
  });

  it('that arrives damaged begins anew, and fails when it does so twice', () => {
    const { transfers, control, download, ends } = table();
    download();
    for (const stream of [1, 2]) {
      expect(control()).toMatchObject([{ type: 'blob.get', stream, offset: 0 }]);
      transfers.received({ type: 'blob.head', stream, size: 5 }, 0, 0);
      transfers.data(stream, new Uint8Array(5), 0);
      transfers.received({ type: 'stream.end', stream }, 0, 0);
      if (stream === 1) expect(ends(0)).toEqual([]);
      transfers.tick(transfers.dueAtMs(), 0);
    }
    expect(ends()).toMatchObject([{ kind: 'internal', message: expect.stringContaining('damaged twice') }]);
  });

  it('that ends early is asked for again', () => {
    const { transfers, control, download, ends } = table();
    download();
    control();
    transfers.received({ type: 'blob.head', stream: 1, size: BYTES.length }, 0, 0);
    transfers.data(1, BYTES.subarray(0, 10), 0);
    transfers.received({ type: 'stream.end', stream: 1 }, 0, 0);
    transfers.tick(transfers.dueAtMs(), 0);
    expect(ends()).toEqual([]);
    expect(control()).toMatchObject([{ type: 'blob.get', stream: 2, offset: 10 }]);
  });

  it.each([
    ['more bytes than were announced', 3, 4, undefined],
    ['another size than its reference says', 4, 0, 3],
    ['more than a blob may have', 99 * 1_048_576, 0, undefined],
  ])('that brings %s is aborted and fails', (_, announced, sent, referenced) => {
    const { transfers, control, download, ends } = table();
    download(BLOB, referenced);
    control();
    transfers.received({ type: 'blob.head', stream: 1, size: announced }, 0, 0);
    transfers.data(1, noise(sent), 0);
    expect(ends()).toMatchObject([{ kind: announced > 4 ? 'too_large' : 'invalid' }]);
    expect(control()).toMatchObject([{ type: 'stream.abort', stream: 1 }]);
  });

  it('of something that is not there fails at once', () => {
    const { transfers, control, download, ends } = table();
    download();
    control();
    transfers.received({ type: 'stream.abort', stream: 1, error: { kind: 'not_found', message: 'none' } }, 1, 0);
    expect(ends()).toMatchObject([{ kind: 'not_found' }]);
  });

  it('on which nothing moves for 30 s is begun anew, where it stood', () => {
    const { transfers, control, download } = table();
    download();
    control();
    transfers.received({ type: 'blob.head', stream: 1, size: BYTES.length }, 0, 0);
    transfers.data(1, BYTES.subarray(0, 10), 1_000);
    transfers.tick(30_999, 0);
    expect(control()).toEqual([]);
    transfers.tick(31_000, 0);
    expect(control(31_000)).toMatchObject([{ type: 'stream.abort', stream: 1 }]);
    transfers.tick(transfers.dueAtMs(), 0);
    expect(control(32_000)).toMatchObject([{ type: 'blob.get', stream: 2, offset: 10 }]);
  });
});

describe('an upload', () => {
  it('sends no more than it was granted, from where the coordinator says, and ends', () => {
    const { transfers, control, upload, ends } = table();
    upload(BYTES);
    expect(control()).toMatchObject([
      { type: 'blob.put', stream: 1, blob: BLOB, size: BYTES.length, attempt: ATTEMPT },
    ]);
    transfers.received({ type: 'blob.ready', stream: 1, offset: 10_000, credit: 30_000 }, 1, 0);
    expect(bytesOf(taken(transfers))).toEqual(Buffer.from(BYTES.subarray(10_000, 40_000)));
    transfers.received({ type: 'stream.credit', stream: 1, bytes: 100_000 }, 2, 0);
    const rest = taken(transfers);
    expect(bytesOf(rest)).toEqual(Buffer.from(BYTES.subarray(40_000)));
    expect(rest.at(-1)).toEqual({ type: 'stream.end', stream: 1 });
    transfers.received({ type: 'blob.stored', stream: 1, blob: BLOB }, 3, 0);
    expect(ends()).toEqual(['up stored']);
    expect(transfers.size).toBe(0);
  });

  it('is offered again after a reconnect, and goes on at the offset that is kept', () => {
    const { transfers, control, upload, reconnect } = table();
    upload(BYTES);
    control();
    transfers.received({ type: 'blob.ready', stream: 1, offset: 0, credit: 50_000 }, 1, 0);
    taken(transfers);
    reconnect();
    expect(control()).toMatchObject([{ type: 'blob.put', stream: 1 }]);
    transfers.received({ type: 'blob.ready', stream: 1, offset: 50_000, credit: 100_000 }, 3, 0);
    expect(bytesOf(taken(transfers))).toEqual(Buffer.from(BYTES.subarray(50_000)));
  });

  it.each(['storage_full', 'unavailable', 'rate_limited', 'queue_full'] as const)(
    'waits while the coordinator answers %s, and does not give up',
    (kind) => {
      const { transfers, control, upload, ends } = table();
      upload(BYTES);
      for (let stream = 1; stream <= 20; stream += 1) {
        expect(control()).toMatchObject([{ type: 'blob.put', stream }]);
        transfers.received({ type: 'stream.abort', stream, error: { kind, message: 'not now' } }, 0, 0);
        expect(control()).toEqual([]);
        transfers.tick(transfers.dueAtMs(), 0);
      }
      expect(ends()).toEqual([]);
    },
  );

  it('that the coordinator found damaged is sent once more', () => {
    const { transfers, control, upload, ends } = table();
    upload(BYTES);
    for (const stream of [1, 2]) {
      expect(ends()).toEqual([]);
      control();
      transfers.received({ type: 'stream.abort', stream, error: { kind: 'invalid', message: 'hash' } }, 0, 0);
      transfers.tick(transfers.dueAtMs(), 0);
    }
    expect(ends()).toMatchObject([{ kind: 'invalid' }]);
  });

  it('whose bytes cannot be read fails, and says so to the coordinator', () => {
    const { transfers, control, ends } = table();
    const failures: ProtocolError[] = [];
    const source = {
      size: 10,
      read: () => {
        throw new Error('EIO');
      },
    };
    transfers.upload(BLOB, source, {}, { done: () => undefined, failed: (error) => failures.push(error) });
    control();
    transfers.received({ type: 'blob.ready', stream: 1, offset: 0, credit: 100 }, 1, 0);
    expect(taken(transfers)).toEqual([]);
    ends();
    expect(failures).toMatchObject([{ kind: 'internal', message: expect.stringContaining('EIO') }]);
    expect(control()).toMatchObject([{ type: 'stream.abort', stream: 1 }]);
  });

  it('shares the line with the others', () => {
    const { transfers, control, upload } = table();
    for (const seed of [1, 2]) upload(noise(200_000, seed));
    control();
    for (const stream of [1, 2]) transfers.received({ type: 'blob.ready', stream, offset: 0, credit: 200_000 }, 0, 0);
    const streams = [1, 2, 3, 4].map(() => decodeStreamData(transfers.takeData(1) as Uint8Array).stream);
    expect(streams).toEqual([1, 2, 1, 2]);
  });

  it('of a blob that is being uploaded waits until that is stored', () => {
    const { transfers, control, upload, ends } = table();
    upload(BYTES, 'first');
    upload(BYTES, 'second');
    expect(control()).toMatchObject([{ type: 'blob.put', stream: 1 }]);
    transfers.received({ type: 'blob.stored', stream: 1, blob: BLOB }, 0, 0);
    transfers.tick(transfers.dueAtMs(), 0);
    expect(control()).toMatchObject([{ type: 'blob.put', stream: 2 }]);
    transfers.received({ type: 'blob.stored', stream: 2, blob: BLOB }, 0, 0);
    expect(ends()).toEqual(['first stored', 'second stored']);
  });

  it('goes no faster than the rate that is allowed', () => {
    const rate = () => new TokenBucket(64 * 1_024, 0);
    const { transfers, control, upload } = table(new BlobTransfers({ up: rate(), down: rate() }));
    upload(BYTES);
    control();
    transfers.received({ type: 'blob.ready', stream: 1, offset: 0, credit: 200_000 }, 0, 0);
    let sent = 0;
    for (let nowMs = 0; nowMs <= 1_000; nowMs += 50) {
      transfers.tick(nowMs, 0);
      sent += bytesOf(taken(transfers, nowMs)).length;
      if (sent < BYTES.length) expect(transfers.dueAtMs()).toBeLessThanOrEqual(nowMs + 50);
    }
    // A second's worth, a quarter of one in the bucket, and a frame that is owed.
    expect(sent).toBeLessThanOrEqual(64 * 1_024 * 1.25 + 16_384);
    expect(sent).toBeGreaterThanOrEqual(64 * 1_024);
  });
});

describe('transfers', () => {
  it('run a few at a time, and the others in order', () => {
    const { transfers, control, upload } = table();
    for (let seed = 0; seed < 10; seed += 1) upload(noise(10, seed));
    expect(control().map((message) => 'stream' in message && message.stream)).toEqual([1, 2, 3, 4]);
    transfers.received({ type: 'blob.stored', stream: 2, blob: BLOB }, 0, 0);
    expect(control()).toMatchObject([{ type: 'blob.put', stream: 5, blob: sha256(noise(10, 4)) }]);
  });

  it('that are cancelled abort their stream, and their listener hears nothing', () => {
    const { transfers, control, upload, ends } = table();
    const [open, queued] = [0, 1, 2, 3, 4].map((seed) => upload(noise(10, seed))).filter((_, n) => n % 4 === 0);
    control();
    if (open) transfers.cancel(open);
    if (queued) transfers.cancel(queued);
    expect(control()).toMatchObject([{ type: 'stream.abort', stream: 1 }]);
    expect(ends()).toEqual([]);
    expect(transfers.size).toBe(3);
  });
});
