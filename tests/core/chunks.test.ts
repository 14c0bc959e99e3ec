/** Output chunks: in order, once, bounded, and acknowledged when they are on disk. */
import { LIMITS } from '@rma/protocol/limits';
import { describe, expect, it } from 'vitest';
import { Pool } from './harness.js';
import { Client, WorkerPeer } from './peer.js';

function setUp(settings = {}) {
  const pool = new Pool({ settings });
  const alice = new Client(pool);
  const worker = new WorkerPeer(pool);
  const id = alice.submitWatched();
  const given = worker.dispatched();
  alice.read();
  return { pool, alice, worker, id, given };
}

describe('chunks', () => {
  it('are stored, relayed and acknowledged up to the last', () => {
    const { pool, alice, worker, id, given } = setUp();
    worker.chunk(given, 1);
    worker.chunk(given, 2);
    expect(worker.read().acknowledgedChunks.at(-1)).toEqual({ task: id, attempt: 1, chunk: 2 });
    expect(alice.read().chunks.map(({ chunk }) => chunk)).toEqual([1, 2]);
    expect(pool.memory.tables.chunks.size).toBe(2);
  });

  it('that come twice are acknowledged and not stored or relayed again', () => {
    const { pool, alice, worker, given } = setUp();
    worker.chunk(given, 1);
    worker.chunk(given, 2);
    alice.read();
    worker.chunk(given, 1);
    expect(worker.read().acknowledgedChunks.at(-1)).toMatchObject({ chunk: 2 });
    expect(alice.read().chunks).toEqual([]);
    expect(pool.memory.tables.chunks.size).toBe(2);
  });

  it('with a gap are an error, and neither stored nor acknowledged', () => {
    const { pool, worker, given } = setUp();
    worker.chunk(given, 1);
    worker.read();
    worker.chunk(given, 3);
    const { errors, acknowledgedChunks } = worker.read();
    expect(errors).toMatchObject([{ about: 'chunks', error: { kind: 'invalid' } }]);
    expect(acknowledgedChunks).toEqual([]);
    expect(pool.memory.tables.chunks.size).toBe(1);
  });

  it('of an attempt that does not run are void, and acknowledged so that they stop', () => {
    const { pool, alice, worker, id, given } = setUp();
    const stranger = new WorkerPeer(pool, { kinds: ['other'] });
    stranger.chunk(given, 1);
    expect(stranger.read().acknowledgedChunks).toEqual([{ task: id, attempt: 1, chunk: 1 }]);
    alice.cancel(id);
    worker.chunk(given, 1);
    expect(worker.read().acknowledgedChunks).toEqual([{ task: id, attempt: 1, chunk: 1 }]);
    expect(pool.memory.tables.chunks.size).toBe(0);
  });

  it('go on after a restart of the coordinator', () => {
    const { pool, alice, worker, id, given } = setUp();
    worker.chunk(given, 1);
    pool.restart();
    alice.connect();
    alice.watch(id, { attempt: 1, chunk: 1 });
    expect(worker.verdicts({ running: [given] })).toMatchObject([{ verdict: 'keep', chunk: 1 }]);
    worker.chunk(given, 2);
    expect(alice.read().chunks).toMatchObject([{ chunk: 2 }]);
  });

  it.each([
    ['one is above the inline limit', {}, LIMITS.maxInlineBytes + 1],
    ['all of an attempt are above its limit', { maxChunkBytesPerAttempt: 100 }, 101],
  ])('end the task when %s, and stop its attempt', (_what, settings, size) => {
    const { alice, worker, id, given } = setUp(settings);
    worker.chunk(given, 1, 'x'.repeat(size));
    expect(alice.read().ended).toMatchObject([{ task: id, state: 'failed', error: { code: 'output.too_large' } }]);
    expect(worker.read().stops).toMatchObject([{ task: id, attempt: 1 }]);
    expect(worker.used).toBe(1);
    worker.fail(given, 'cancelled');
    expect(worker.used).toBe(0);
  });

  it('count what was stored before a restart towards the limit', () => {
    const { pool, worker, given } = setUp({ maxChunkBytesPerAttempt: 100 });
    worker.chunk(given, 1, 'x'.repeat(60));
    pool.restart();
    worker.connect({ running: [given] });
    worker.chunk(given, 2, 'x'.repeat(60));
    expect(pool.state.ended.get('failed')).toBe(1);
  });
});
