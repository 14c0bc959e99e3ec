/** What is kept of workers and attempts for later: on disk, in events, and over a restart. */
import { LIMITS } from '@rma/protocol/limits';
import { describe, expect, it } from 'vitest';
import { Pool } from './harness.js';
import { Client, machine, WorkerPeer } from './peer.js';
import { ENGINE, entry, join, useCatalog } from './placement/catalog-fixtures.js';

const eventsOf = (pool: Pool, type: string) =>
  pool.memory.tables.events.filter((event) => event.type === type).map(({ subject, data }) => ({ subject, data }));

describe('a worker that goes', () => {
  it('was last seen when its session ended, also after a restart', () => {
    const pool = new Pool();
    const worker = new WorkerPeer(pool);
    pool.advance(90_000);
    worker.disconnect();
    const leftMs = pool.wallMs;
    pool.advance(5_000);
    pool.restart();
    expect(pool.state.workers.get(worker.id)?.record.lastSeenAt).toBe(leftMs);
    expect(eventsOf(pool, 'worker.offline')).toEqual([{ subject: worker.id, data: { reason: 'gone' } }]);
  });

  it('for good releases the workloads that are bound to it, with the reason', () => {
    const pool = new Pool();
    const admin = new Client(pool, 'root', 'admin');
    useCatalog(pool, entry('store', { stateful: true, trusted: true, floor: 1 }));
    const worker = join(pool, { engine: ENGINE, trust: 'trusted' });
    worker.serve(worker.service({ name: 'store', workload: 'store', runtime: 'docker', kinds: ['store.run'] }));
    expect(eventsOf(pool, 'workload.bound')).toEqual([{ subject: worker.id, data: { workload: 'store' } }]);
    admin.act({ do: 'worker.revoke', worker: worker.id });
    expect(eventsOf(pool, 'workload.released')).toMatchObject([
      { subject: worker.id, data: { workload: 'store', reason: expect.stringMatching(/^its worker /) } },
    ]);
    pool.restart();
    expect(pool.state.bindings.size).toBe(0);
  });
});

describe("a donor's policy", () => {
  it('is an event when it pauses, goes on, or gives another reason', () => {
    const pool = new Pool();
    const worker = new WorkerPeer(pool);
    const say = (paused: boolean, reason?: string) =>
      worker.send({ type: 'policy', policy: { paused, ...(reason === undefined ? {} : { reason }) } });
    say(false);
    say(true, 'it is night');
    say(true, 'it is night');
    say(true, 'the machine is hot');
    say(false);
    expect(eventsOf(pool, 'worker.policy').map(({ data }) => data)).toEqual([
      { paused: true, reason: 'it is night' },
      { paused: true, reason: 'the machine is hot' },
      { paused: false },
    ]);
  });
});

describe('the quota of streamed output', () => {
  it('is that of one attempt: the next one begins with all of it', () => {
    const pool = new Pool({ settings: { maxChunkBytesPerAttempt: 100 } });
    const alice = new Client(pool);
    const worker = new WorkerPeer(pool);
    const id = alice.submitWatched({ backoffMs: 0 });
    const first = worker.dispatched();
    worker.chunk(first, 1, 'x'.repeat(100));
    worker.fail(first);
    pool.advance(200);
    const second = worker.dispatched();
    worker.chunk(second, 1, 'y'.repeat(100));
    expect(alice.read().ended).toEqual([]);
    worker.chunk(second, 2, 'z');
    expect(alice.read().ended).toMatchObject([{ task: id, state: 'failed', error: { code: 'output.too_large' } }]);
  });
});

describe("a worker's hello", () => {
  it('is what the store knows of it from then on: its machine, its tier, and when it was seen', () => {
    const pool = new Pool();
    const worker = new WorkerPeer(pool);
    expect(worker.live.record.tier).toBe(3);
    expect(eventsOf(pool, 'worker.joined')[0]?.data).toMatchObject({ tier: 3, owner: 'lab', trust: 'community' });
    worker.disconnect();
    pool.advance(60_000);
    const upgraded = Object.assign(worker, { options: { ...worker.options, hardware: machine(1) } });
    upgraded.connect();
    const seenMs = pool.wallMs;
    expect(worker.live.record).toMatchObject({ tier: 1, lastSeenAt: seenMs });
    pool.advance(5_000);
    pool.restart();
    expect(pool.state.workers.get(worker.id)?.record).toMatchObject({
      tier: 1,
      hardware: machine(1),
      lastSeenAt: seenMs,
      agentVersion: 'rma-worker 0',
    });
  });

  it('that is refused is answered with an error before the close', () => {
    const pool = new Pool();
    const worker = new WorkerPeer(pool);
    new Client(pool, 'root', 'admin').act({ do: 'worker.revoke', worker: worker.id });
    const { errors, close } = worker.connect();
    expect(errors).toMatchObject([{ about: 'hello', error: { kind: 'unauthenticated' } }]);
    expect(close?.name).toBe('revoked');
  });
});

describe('an input', () => {
  it.each([
    [LIMITS.maxInlineBytes, 0],
    [LIMITS.maxInlineBytes + 1, 1],
  ])('of %i bytes is refused %i times', (length, times) => {
    const pool = new Pool();
    const alice = new Client(pool);
    alice.submit({ input: new Uint8Array(length) });
    const { accepted, refused } = alice.read();
    expect(refused.map(({ error: { kind, path } }) => [kind, path])).toEqual(
      Array.from({ length: times }, () => ['too_large', '/input']),
    );
    expect(accepted).toHaveLength(1 - times);
  });
});
