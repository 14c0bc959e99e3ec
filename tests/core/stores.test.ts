/** What the core asks of a store, on both: the one in memory that these tests run on, and SQLite. */
import { openDatabase } from '@rma/server/store/sqlite';
import { migrate, SqliteStore } from '@rma/server/store/sqlite-store';
import { afterEach, describe, expect, it } from 'vitest';
import { Pool } from './harness.js';
import { MemoryStore, type SyncStore } from './memory-store.js';
import { Client, WorkerPeer } from './peer.js';
import { ENGINE, entry, join, useCatalog } from './placement/catalog-fixtures.js';

const opened: SyncStore[] = [];
afterEach(() => {
  for (const store of opened.splice(0)) store.close();
});

function open(name: 'memory' | 'SQLite'): SyncStore {
  if (name === 'memory') return new MemoryStore();
  const database = openDatabase(':memory:');
  migrate(database);
  const store = new SqliteStore(database);
  opened.push(store);
  return store;
}

describe.each(['memory', 'SQLite'] as const)('the store: %s', (name) => {
  it.each([
    ['fetched', 512],
    ['claimed into a window', 1],
  ])('answers the last chunk of an attempt that may return, %s', (_how, windowTasks) => {
    const pool = new Pool({ store: open(name), settings: { windowTasks } });
    const alice = new Client(pool);
    const worker = new WorkerPeer(pool);
    alice.submit();
    const given = worker.dispatched();
    worker.chunk(given, 1);
    worker.chunk(given, 2);
    worker.disconnect();
    pool.advance(9_000);
    pool.restart();
    alice.connect();
    alice.submit({}, {});
    expect(worker.verdicts({ running: [given] })).toMatchObject([{ verdict: 'keep', chunk: 2 }]);
    worker.chunk(given, 1);
    worker.chunk(given, 3);
    expect(worker.read().acknowledgedChunks.at(-1)).toMatchObject({ chunk: 3 });
    worker.succeed(given);
    expect(pool.state.ended.get('succeeded')).toBe(1);
  });

  it('forgets the chunks of an attempt that another one follows', () => {
    const pool = new Pool({ store: open(name) });
    const alice = new Client(pool);
    const worker = new WorkerPeer(pool);
    const [id] = alice.submit({ backoffMs: 5_000 });
    const given = worker.dispatched();
    worker.chunk(given, 1);
    worker.fail(given);
    const [row] = pool.store.fetch([id!]);
    expect(pool.store.chunks(row!.seq, 1, 0, 9, 9)).toHaveLength(1);
    pool.advance(6_000);
    expect(worker.dispatched().attempt).toBe(2);
    expect(pool.store.chunks(row!.seq, 1, 0, 9, 9)).toEqual([]);
  });

  it('keeps to which worker a workload with state is bound, until that one is revoked', () => {
    const store = open(name);
    const pool = new Pool({ store });
    useCatalog(pool, entry('postgres', { stateful: true, kinds: [], floor: 1 }));
    const worker = join(pool, { engine: ENGINE });
    const service = { name: 'postgres', workload: 'postgres', runtime: 'docker', kinds: [] } as const;
    worker.serve(worker.service({ ...service, kinds: [] }));
    const bound = { workload: 'postgres', worker: worker.id, runtime: 'docker', boundAt: pool.wallMs };
    expect(store.load().bindings).toEqual([bound]);
    pool.restart();
    expect(pool.state.bindings.get('postgres')?.worker).toBe(worker.id);
    new Client(pool, 'root', 'admin').act({ do: 'worker.revoke', worker: worker.id });
    expect(store.load().bindings).toEqual([]);
  });
});
