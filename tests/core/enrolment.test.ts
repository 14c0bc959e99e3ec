/** What joins, credentials, workers and kinds may cost, and when each of them ends. */
import { describe, expect, it } from 'vitest';
import { Pool } from './harness.js';
import { Client, machine, WorkerPeer } from './peer.js';

const DAY_MS = 86_400_000;

describe('credentials', () => {
  const credentials = (pool: Pool) => [...pool.memory.tables.tokens.values()].filter(({ role }) => role === 'worker');

  it('do not pile up: of many joins with one key the last two count, and one once it was used', () => {
    const pool = new Pool();
    const worker = new WorkerPeer(pool);
    const { joinToken } = worker.live.record;
    const first = worker.token;
    for (let join = 0; join < 20; join++) worker.join(joinToken);
    expect(credentials(pool)).toHaveLength(2);
    expect(pool.state.tokens.has(first)).toBe(false);
    pool.restart();
    expect(worker.connect().welcome).toBeDefined();
    expect(credentials(pool).map(({ id }) => id)).toEqual([worker.token]);
    expect(worker.live.credentials).toEqual([worker.token]);
  });

  it('whose welcome was lost may still come first', () => {
    const pool = new Pool();
    const worker = new WorkerPeer(pool);
    const stored = worker.token;
    worker.join(worker.live.record.joinToken);
    worker.token = stored;
    expect(worker.connect().welcome).toBeDefined();
    expect(credentials(pool).map(({ id }) => id)).toEqual([stored]);
  });

  it('of a revoked worker are all revoked', () => {
    const pool = new Pool();
    const worker = new WorkerPeer(pool);
    worker.join(worker.live.record.joinToken);
    new Client(pool, 'admin', 'admin').act({ do: 'worker.revoke', worker: worker.id });
    expect(credentials(pool).every(({ revokedAt }) => revokedAt > 0)).toBe(true);
    expect(worker.connect().close).toMatchObject({ name: 'revoked' });
  });
});

describe('joins', () => {
  /** Machines that join with a token, each with a key of its own; answers how many are told to come back later. */
  function joins(pool: Pool, token: string, machines: number): number {
    let later = 0;
    for (let n = 0; n < machines; n++) {
      const session = pool.nextId();
      const id = pool.nextId();
      pool.push({
        type: 'hello',
        session,
        address: '10.0.0.1',
        token: { id: token, role: 'join' },
        candidate: { worker: `w-${id}`, tokenId: `t-${id}`, credential: 'signed' },
        message: {
          type: 'hello',
          protocol: 1,
          agent: { name: 'rma-worker', version: '0' },
          worker: { key: `key-${id}`, hardware: machine(3), available: [], services: [], running: [], finished: [] },
        },
      });
      pool.settle();
      if (pool.read(session).close?.reconnectAfterMs) later++;
    }
    return later;
  }

  it('with one token are so many at once, and the others come back later', () => {
    const pool = new Pool();
    const token = pool.addToken({ role: 'join' }).id;
    expect(joins(pool, token, 600)).toBe(100);
    expect(pool.state.workers.size).toBe(500);
    pool.advance(10_000);
    expect(joins(pool, token, 100)).toBe(50);
    // Another token is not held up by it; and what is known of rates goes.
    expect(joins(pool, pool.addToken({ role: 'join' }).id, 1)).toBe(0);
    pool.advance(300_000);
    expect(pool.state.joinRates.size).toBe(0);
  });

  it('end where the pool knows its most workers, except of those that it knows', () => {
    const pool = new Pool({ settings: { maxWorkers: 2 } });
    const workers = [new WorkerPeer(pool), new WorkerPeer(pool)];
    expect(joins(pool, pool.addToken({ role: 'join' }).id, 1)).toBe(1);
    expect(workers[0]!.connect().welcome).toBeDefined();
  });

  it('of a machine that describes itself at great length are refused', () => {
    const pool = new Pool();
    const kinds = Array.from({ length: 64 }, (_, i) => `kind-${i}-${'x'.repeat(40)}`);
    const available = Array.from({ length: 64 }, (_, i) => ({ workload: `w-${i}`, kinds, cores: 1, memoryMiB: 1 }));
    const worker = new WorkerPeer(pool, { available });
    expect(worker.id).toBe('');
    expect(pool.state.workers.size).toBe(0);
    expect([...pool.memory.tables.tokens.values()].filter(({ role }) => role === 'worker')).toEqual([]);
  });
});

it('a report of services at great length is refused, and the services stay as they were', () => {
  const pool = new Pool();
  const worker = new WorkerPeer(pool);
  const models = Array.from({ length: 64 }, (_, i) => `model-${i}-${'x'.repeat(200)}`);
  worker.serve(...Array.from({ length: 64 }, (_, i) => worker.service({ name: `s-${i}`, models })));
  expect(worker.read().errors).toMatchObject([{ about: 'services', error: { kind: 'too_large' } }]);
  expect([...worker.live.services.keys()]).toEqual(['main']);
});

describe('a worker that is gone for long', () => {
  it('is forgotten with its credential and its kinds, and an event says so; one that is on line is not', () => {
    const pool = new Pool();
    const gone = new WorkerPeer(pool, { kinds: ['mine'] });
    const here = new WorkerPeer(pool);
    gone.disconnect();
    pool.advance(30 * DAY_MS);
    expect(pool.state.workers.size).toBe(2);
    pool.advance(61_000);
    expect([...pool.state.workers.keys()]).toEqual([here.id]);
    expect(pool.state.knownKinds.has('mine')).toBe(false);
    expect(pool.state.kinds.has('mine')).toBe(false);
    expect(pool.memory.tables.events.at(-1)).toMatchObject({ type: 'worker.forgotten', subject: gone.id });
    for (const table of ['workers', 'kinds'] as const) {
      expect(JSON.stringify([...pool.memory.tables[table].values()])).not.toContain(gone.id);
    }
    expect(gone.connect().close).toMatchObject({ name: 'unauthenticated' });
    pool.restart();
    expect(pool.state.workers.size).toBe(1);
  });

  it('stays while an attempt of it may return', () => {
    const pool = new Pool();
    const alice = new Client(pool);
    const worker = new WorkerPeer(pool);
    const [id] = alice.submit();
    worker.dispatched();
    worker.disconnect();
    pool.advance(31 * DAY_MS);
    pool.advance(61_000);
    expect(pool.state.workers.size).toBe(1);
    alice.cancel(id!);
    pool.advance(61_000);
    expect(pool.state.workers.size).toBe(0);
  });

  it('and was revoked is forgotten when nothing names it any more', () => {
    const pool = new Pool();
    const worker = new WorkerPeer(pool);
    new Client(pool, 'admin', 'admin').act({ do: 'worker.revoke', worker: worker.id });
    pool.advance(7 * DAY_MS);
    expect(pool.state.workers.size).toBe(1);
    pool.advance(61_000);
    expect(pool.state.workers.size).toBe(0);
  });

  it('goes with at most so many others in one step', () => {
    const pool = new Pool();
    for (let n = 0; n < 250; n++) new WorkerPeer(pool).disconnect();
    pool.advance(31 * DAY_MS);
    expect(pool.state.workers.size).toBe(50);
    pool.advance(61_000);
    expect(pool.state.workers.size).toBe(0);
  });
});

it('join tokens that ended long ago are forgotten, but not revoked ones, nor others', () => {
  const pool = new Pool();
  const expiresAt = pool.wallMs + 3_600_000;
  const ended = pool.addToken({ role: 'join', expiresAt }).id;
  const revoked = pool.addToken({ role: 'join', expiresAt, revokedAt: 1 }).id;
  const client = pool.addToken({ role: 'client', expiresAt }).id;
  pool.advance(7 * DAY_MS + 3_660_000);
  expect([ended, revoked, client].map((id) => pool.state.tokens.has(id))).toEqual([false, true, true]);
  expect([ended, revoked, client].map((id) => pool.memory.tables.tokens.has(id))).toEqual([false, true, true]);
});

describe('kinds that workers make known', () => {
  const kindsOf = (prefix: string, count: number) => Array.from({ length: count }, (_, i) => `${prefix}.${i}`);
  const services = (worker: WorkerPeer, kinds: readonly string[]) =>
    Array.from({ length: Math.ceil(kinds.length / 64) }, (_, i) =>
      worker.service({ name: `s-${i}`, kinds: kinds.slice(i * 64, i * 64 + 64) }),
    );

  it('are bounded for a worker, for the workers of a join token, and for the pool', () => {
    const pool = new Pool({ settings: { maxKinds: 700, maxKindsPerToken: 300 } });
    const builtIn = pool.state.knownKinds.size;
    const known = () => pool.state.knownKinds.size - builtIn;
    const token = pool.addToken({ role: 'join' }).id;
    const lab = ['a', 'b'].map((prefix) => {
      const worker = new WorkerPeer(pool, { kinds: [] });
      worker.disconnect();
      worker.join(token);
      worker.serve(...services(worker, kindsOf(prefix, 300)));
      return worker;
    });
    expect([lab[0]!.live.kinds.size, known()]).toEqual([256, 300]);
    for (const prefix of ['c', 'd']) {
      const worker = new WorkerPeer(pool, { kinds: [] });
      worker.serve(...services(worker, kindsOf(prefix, 256)));
    }
    expect(known()).toBe(700);
    pool.restart();
    expect(known()).toBe(700);
    expect(pool.state.kindsPerToken.get(token)).toBe(300);
    new Client(pool, 'admin', 'admin').act({ do: 'worker.revoke', worker: lab[0]!.id });
    expect(known()).toBe(444);
    expect(pool.state.kindsPerToken.get(token)).toBe(44);
  });

  it('that are known already cost nothing', () => {
    const pool = new Pool({ settings: { maxKinds: 0 } });
    const worker = new WorkerPeer(pool, { kinds: ['echo', 'mine'] });
    expect([...worker.live.kinds]).toEqual(['echo']);
    expect(pool.state.knownKinds.has('mine')).toBe(false);
    expect(pool.state.kinds.has('mine')).toBe(false);
  });

  it('go from memory with the last worker and the last task', () => {
    const pool = new Pool();
    const alice = new Client(pool);
    const worker = new WorkerPeer(pool, { kinds: ['mine'] });
    worker.drain(true);
    const [id] = alice.submit({ kind: 'mine' });
    new Client(pool, 'admin', 'admin').act({ do: 'worker.revoke', worker: worker.id });
    expect(pool.state.kinds.has('mine')).toBe(true);
    alice.cancel(id!);
    pool.advance(2_000);
    expect(pool.state.kinds.has('mine')).toBe(false);
  });
});
