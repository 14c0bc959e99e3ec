/** What an admin does to workers. */
import { describe, expect, it } from 'vitest';
import { Pool } from './harness.js';
import { Client, machine, WorkerPeer } from './peer.js';

function setUp() {
  const pool = new Pool();
  const admin = new Client(pool, 'admin', 'admin');
  const alice = new Client(pool);
  const worker = new WorkerPeer(pool, { hardware: machine(3), name: 'lab-1' });
  return { pool, admin, alice, worker };
}

const eventTypes = (pool: Pool) => pool.memory.tables.events.map(({ type }) => type);

describe('pinning a tier', () => {
  it('is answered with the worker, sent to it, kept over restarts, and undone by null', () => {
    const { pool, admin, worker } = setUp();
    const { replies } = admin.act({ do: 'worker.pin', worker: worker.id, tier: 1 });
    expect(replies).toMatchObject([{ result: { id: worker.id, tier: 1, pinned: true } }]);
    expect(worker.read().assignments).toMatchObject([{ tier: 1, pinned: true }]);
    pool.restart();
    expect(worker.connect().welcome?.worker?.assignment).toMatchObject({ tier: 1, pinned: true });
    admin.connect();
    expect(admin.act({ do: 'worker.pin', worker: worker.id, tier: null }).replies).toMatchObject([
      { result: { tier: 3, pinned: false } },
    ]);
    expect(worker.read().assignments).toMatchObject([{ tier: 3, pinned: false }]);
    expect(eventTypes(pool).filter((type) => type === 'worker.pinned')).toHaveLength(2);
  });

  it('works while the worker is away', () => {
    const { admin, worker } = setUp();
    worker.disconnect();
    expect(admin.act({ do: 'worker.pin', worker: worker.id, tier: 2 }).replies).toHaveLength(1);
    expect(worker.connect().welcome?.worker?.assignment.tier).toBe(2);
  });
});

describe('a name', () => {
  it('is the one that the worker reports, in its welcome, too, until an admin sets another', () => {
    const { admin, worker } = setUp();
    expect(worker.connect({ name: 'lab-2' }).welcome?.worker?.name).toBe('lab-2');
    admin.act({ do: 'worker.rename', worker: worker.id, name: 'front desk' });
    expect(worker.connect({ name: 'lab-3' }).welcome?.worker?.name).toBe('front desk');
  });
});

describe('draining', () => {
  it('outlives the coordinator and the session', () => {
    const { pool, admin, alice, worker } = setUp();
    expect(admin.act({ do: 'worker.drain', worker: worker.id, draining: true }).replies).toMatchObject([
      { result: { state: 'draining', drained: true } },
    ]);
    pool.restart();
    worker.connect();
    alice.connect();
    alice.submit();
    expect(worker.dispatches()).toEqual([]);
    admin.connect();
    expect(admin.act({ do: 'worker.drain', worker: worker.id, draining: false }).replies).toMatchObject([
      { result: { state: 'online' } },
    ]);
    expect(worker.dispatches()).toHaveLength(1);
  });
});

describe('revoking a worker', () => {
  it('is answered again when it is asked again, as after a lost connection; other actions are refused then', () => {
    const { pool, admin, worker } = setUp();
    admin.act({ do: 'worker.revoke', worker: worker.id });
    expect(admin.act({ do: 'worker.revoke', worker: worker.id }).replies).toMatchObject([
      { result: { id: worker.id, state: 'revoked' } },
    ]);
    expect(eventTypes(pool).filter((type) => type === 'worker.revoked')).toHaveLength(1);
    expect(admin.act({ do: 'worker.rename', worker: worker.id, name: 'ghost' }).errors).toMatchObject([
      { error: { kind: 'conflict' } },
    ]);
  });

  it('closes its session, gives its attempts to others and lets it in no more', () => {
    const { pool, admin, alice, worker } = setUp();
    const id = alice.submitWatched();
    const given = worker.dispatched();
    const other = new WorkerPeer(pool);
    const { session } = worker;
    expect(admin.act({ do: 'worker.revoke', worker: worker.id }).replies).toMatchObject([
      { result: { id: worker.id, state: 'revoked' } },
    ]);
    expect(pool.read(session).close).toMatchObject({ name: 'revoked' });
    expect(other.dispatched()).toMatchObject({ task: id, attempt: 2 });
    worker.succeed(given, 'forged');
    expect(alice.read().ended).toEqual([]);
    const sent = worker.connect();
    expect(sent.welcome).toBeUndefined();
    expect(sent.close).toMatchObject({ name: 'revoked' });
    expect(eventTypes(pool)).toContain('worker.revoked');
  });

  it('holds after a restart, for its join token and key, too', () => {
    const { pool, admin, worker } = setUp();
    const joinToken = worker.live.record.joinToken;
    admin.act({ do: 'worker.revoke', worker: worker.id });
    pool.restart();
    expect(worker.connect().close).toMatchObject({ name: 'revoked' });
    expect(worker.join(joinToken).close).toMatchObject({ name: 'revoked' });
  });
});

it.each(['worker.pin', 'worker.drain', 'worker.revoke'] as const)(
  '%s of an unknown worker is an error, of a revoked one, too, unless it is to be revoked',
  (what) => {
    const { admin, worker } = setUp();
    const action = (id: string) =>
      what === 'worker.pin'
        ? ({ do: what, worker: id, tier: 1 } as const)
        : what === 'worker.drain'
          ? ({ do: what, worker: id, draining: true } as const)
          : ({ do: what, worker: id } as const);
    expect(admin.act(action('w-none')).errors).toMatchObject([{ about: 'act', error: { kind: 'not_found' } }]);
    admin.act({ do: 'worker.revoke', worker: worker.id });
    const again = admin.act(action(worker.id));
    if (what === 'worker.revoke') expect(again.replies).toHaveLength(1);
    else expect(again.errors).toMatchObject([{ about: 'act', error: { kind: 'conflict' } }]);
  },
);
