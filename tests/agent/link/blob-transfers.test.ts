import { BlobTransfers } from '@rma/agent/link/blob-transfers';
import { decodeStreamData } from '@rma/protocol/stream';
import type { Up } from '@rma/protocol/up';
import { describe, expect, it } from 'vitest';
import { sha256, taskId } from './support/coordinator.js';

const ATTEMPT = { task: taskId(1), attempt: 1 };
const BYTES = new Uint8Array(100_000).map((_, index) => index % 251);
const BLOB = sha256(BYTES);

function sent(transfers: BlobTransfers): Up[] {
  return transfers.takeEffects().flatMap((effect) => (effect.do === 'send' ? [effect.message] : []));
}

function sourceOf(bytes: Uint8Array) {
  return { size: bytes.length, read: (offset: number, length: number) => bytes.subarray(offset, offset + length) };
}

function join(frames: readonly Uint8Array[]): Uint8Array {
  return Buffer.concat(frames.map((frame) => decodeStreamData(frame).bytes));
}

describe('a download', () => {
  it('goes on after a reconnect from the byte where it stopped, and is checked', () => {
    const transfers = new BlobTransfers();
    transfers.online(0);
    transfers.download('a', ATTEMPT, BLOB, 0);
    expect(sent(transfers)).toMatchObject([{ type: 'blob.get', stream: 1, offset: 0, attempt: ATTEMPT }]);
    transfers.received({ type: 'blob.head', stream: 1, size: BYTES.length }, 1);
    transfers.data(1, BYTES.subarray(0, 40_000), 1);
    transfers.offline();
    transfers.online(2);
    expect(sent(transfers)).toMatchObject([{ type: 'blob.get', stream: 1, offset: 40_000 }]);
    transfers.received({ type: 'blob.head', stream: 1, size: BYTES.length }, 3);
    transfers.data(1, BYTES.subarray(40_000), 3);
    transfers.received({ type: 'stream.end', stream: 1 }, 3);
    const [effect] = transfers.takeEffects();
    expect(effect).toMatchObject({ do: 'downloaded', owner: 'a', blob: BLOB });
    expect(effect?.do === 'downloaded' && sha256(effect.bytes)).toBe(BLOB);
    expect(transfers.size).toBe(0);
  });

  it('grants credit as it takes bytes in', () => {
    const large = new Uint8Array(600_000);
    const transfers = new BlobTransfers();
    transfers.online(0);
    transfers.download('a', ATTEMPT, sha256(large), 0);
    transfers.received({ type: 'blob.head', stream: 1, size: large.length }, 1);
    sent(transfers);
    transfers.data(1, large.subarray(0, 100_000), 1);
    expect(sent(transfers)).toEqual([]);
    transfers.data(1, large.subarray(0, 100_000), 1);
    expect(sent(transfers)).toEqual([{ type: 'stream.credit', stream: 1, bytes: 200_000 }]);
  });

  it('that does not match its hash begins anew, and fails when it never does', () => {
    const transfers = new BlobTransfers();
    transfers.online(0);
    transfers.download('a', ATTEMPT, BLOB, 0);
    let now = 0;
    for (let stream = 1; stream <= 4; stream += 1) {
      expect(sent(transfers)).toMatchObject([{ type: 'blob.get', stream, offset: 0 }]);
      transfers.received({ type: 'blob.head', stream, size: 5 }, now);
      transfers.data(stream, new Uint8Array(5), now);
      transfers.received({ type: 'stream.end', stream }, now);
      now += 100_000;
      if (stream < 4) transfers.tick(now);
    }
    expect(transfers.takeEffects()).toMatchObject([{ do: 'failed', error: { kind: 'invalid' } }]);
  });

  it('of something that is not there fails at once', () => {
    const transfers = new BlobTransfers();
    transfers.online(0);
    transfers.download('a', ATTEMPT, BLOB, 0);
    sent(transfers);
    transfers.received({ type: 'stream.abort', stream: 1, error: { kind: 'not_found', message: 'no such blob' } }, 1);
    expect(transfers.takeEffects()).toMatchObject([{ do: 'failed', direction: 'down', error: { kind: 'not_found' } }]);
  });
});

describe('an upload', () => {
  it('sends no more than it was granted, from where the coordinator says, and ends', () => {
    const transfers = new BlobTransfers();
    transfers.online(0);
    transfers.upload('a', ATTEMPT, BLOB, sourceOf(BYTES), 0);
    expect(sent(transfers)).toMatchObject([{ type: 'blob.put', stream: 1, blob: BLOB, size: BYTES.length }]);
    transfers.received({ type: 'blob.ready', stream: 1, offset: 10_000, credit: 30_000 }, 1);
    const first = transfers.takeData(1_000_000, 1);
    expect(join(first)).toEqual(Buffer.from(BYTES.subarray(10_000, 40_000)));
    expect(transfers.takeEnds()).toEqual([]);
    transfers.received({ type: 'stream.credit', stream: 1, bytes: 100_000 }, 2);
    expect(join(transfers.takeData(1_000_000, 2))).toEqual(Buffer.from(BYTES.subarray(40_000)));
    expect(transfers.takeEnds()).toEqual([{ type: 'stream.end', stream: 1 }]);
    transfers.received({ type: 'blob.stored', stream: 1, blob: BLOB }, 3);
    expect(transfers.takeEffects()).toEqual([{ do: 'uploaded', owner: 'a', blob: BLOB }]);
  });

  it('is offered again after a reconnect', () => {
    const transfers = new BlobTransfers();
    transfers.online(0);
    transfers.upload('a', ATTEMPT, BLOB, sourceOf(BYTES), 0);
    transfers.received({ type: 'blob.ready', stream: 1, offset: 0, credit: 50_000 }, 1);
    sent(transfers);
    transfers.takeData(1_000_000, 1);
    transfers.offline();
    transfers.online(2);
    expect(sent(transfers)).toMatchObject([{ type: 'blob.put', stream: 1 }]);
    transfers.received({ type: 'blob.ready', stream: 1, offset: 50_000, credit: 100_000 }, 3);
    expect(join(transfers.takeData(1_000_000, 3))).toEqual(Buffer.from(BYTES.subarray(50_000)));
  });

  it('waits while the coordinator is full, and does not give up', () => {
    const transfers = new BlobTransfers();
    transfers.online(0);
    transfers.upload('a', ATTEMPT, BLOB, sourceOf(BYTES), 0);
    let now = 0;
    for (let stream = 1; stream <= 20; stream += 1) {
      expect(sent(transfers)).toMatchObject([{ type: 'blob.put', stream }]);
      transfers.received({ type: 'stream.abort', stream, error: { kind: 'storage_full', message: 'full' } }, now);
      expect(sent(transfers)).toEqual([]);
      now += 70_000;
      transfers.tick(now);
    }
  });

  it('shares the line with the others', () => {
    const transfers = new BlobTransfers();
    transfers.online(0);
    for (const [index, owner] of ['a', 'b'].entries()) {
      const bytes = new Uint8Array(200_000).fill(index);
      transfers.upload(owner, ATTEMPT, sha256(bytes), sourceOf(bytes), 0);
      transfers.received({ type: 'blob.ready', stream: index + 1, offset: 0, credit: 200_000 }, 0);
    }
    const streams = transfers.takeData(65_536, 1).map((frame) => decodeStreamData(frame).stream);
    expect(new Set(streams)).toEqual(new Set([1, 2]));
  });
});
