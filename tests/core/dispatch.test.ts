/** Dispatch: which waiting task goes to which worker, and which never. */
import type { Constraints } from '@rma/protocol/task';
import { describe, expect, it } from 'vitest';
import { Pool } from './harness.js';
import { Client, machine, type WorkerOptions, WorkerPeer } from './peer.js';

describe('the order', () => {
  it('is by priority, then arrival, across lanes and owners', () => {
    const pool = new Pool();
    const alice = new Client(pool);
    const bob = new Client(pool, 'bob');
    const [a] = alice.submit({ priority: 1, constraints: { tier: 3 } });
    const [b] = bob.submit({ priority: 5, kind: 'ocr.read' });
    const [c] = alice.submit({ priority: 5 });
    const [d] = bob.submit({ priority: 1 });
    const worker = new WorkerPeer(pool, { kinds: ['echo', 'ocr.read'], slots: 4 });
    expect(worker.dispatches().map(({ task }) => task)).toEqual([b, c, a, d]);
  });

  it('skips a lane that no worker can serve', () => {
    const pool = new Pool();
    const alice = new Client(pool);
    alice.submit({ priority: 9, constraints: { tier: 1 } }, { priority: 9, constraints: { labels: { site: 'x' } } });
    const [id] = alice.submit({});
    const worker = new WorkerPeer(pool);
    expect(worker.dispatched().task).toBe(id);
    expect(pool.state.queued).toBe(2);
  });

  it('finds the one worker that fits behind any number that do not', () => {
    const pool = new Pool();
    const others = Array.from({ length: 12 }, () => new WorkerPeer(pool));
    const right = new WorkerPeer(pool, { labels: { site: 'x' } });
    new Client(pool).submit({ constraints: { labels: { site: 'x' } } });
    expect(right.dispatches()).toHaveLength(1);
    for (const other of others) expect(other.dispatches()).toEqual([]);
  });
});

describe('a constraint', () => {
  const cases: [string, Constraints, WorkerOptions, WorkerOptions][] = [
    ['tier', { tier: 2 }, { hardware: machine(2) }, { hardware: machine(3) }],
    ['tier, met by a higher one', { tier: 3 }, { hardware: machine(1) }, { hardware: machine(null) }],
    ['label', { labels: { site: 'a' } }, { labels: { site: 'a', more: 'b' } }, { labels: { site: 'b' } }],
    ['label that an object has by nature', { labels: { constructor: 'a' } }, { labels: { constructor: 'a' } }, {}],
    ['model', { model: 'phi' }, { models: ['llama', 'phi'] }, { models: ['llama'] }],
    ['model, of services that list none', { model: 'phi' }, { models: ['phi:latest'] }, {}],
    ['trust', { trust: 'trusted' }, { trust: 'trusted' }, { trust: 'community' }],
  ];
  it.each(cases)('of %s is kept', (_what, constraints, right, wrong) => {
    const pool = new Pool();
    const alice = new Client(pool);
    alice.submit({ constraints });
    const stranger = new WorkerPeer(pool, wrong);
    expect(stranger.dispatches()).toEqual([]);
    expect(new WorkerPeer(pool, right).dispatches()).toHaveLength(1);
  });

  it('of one worker waits for that worker', () => {
    const pool = new Pool();
    const mine = new WorkerPeer(pool);
    const other = new WorkerPeer(pool);
    mine.disconnect();
    new Client(pool).submit({ constraints: { worker: mine.id } });
    expect(other.dispatches()).toEqual([]);
    mine.connect();
    expect(mine.dispatches()).toHaveLength(1);
  });

  it('of a tier is met as soon as an admin pins it, and no longer when it is taken back', () => {
    const pool = new Pool();
    const worker = new WorkerPeer(pool, { hardware: machine(null) });
    const alice = new Client(pool);
    const admin = new Client(pool, 'admin', 'admin');
    alice.submit({ constraints: { tier: 1 } }, { constraints: { tier: 1 } });
    expect(worker.dispatches()).toEqual([]);
    admin.act({ do: 'worker.pin', worker: worker.id, tier: 1 });
    const given = worker.dispatched();
    admin.act({ do: 'worker.pin', worker: worker.id, tier: null });
    worker.succeed(given);
    expect(worker.dispatches()).toEqual([]);
  });

  it('of labels is checked against what the worker reports when it reconnects', () => {
    const pool = new Pool();
    const options = { labels: { site: 'a' } };
    const worker = new WorkerPeer(pool, options);
    new Client(pool).submit({ constraints: { labels: { site: 'b' } } });
    options.labels.site = 'b';
    worker.connect();
    expect(worker.dispatches()).toHaveLength(1);
  });
});

describe('a slot', () => {
  it('is counted when the task is dispatched: no worker gets more than it has', () => {
    const pool = new Pool();
    const worker = new WorkerPeer(pool, { slots: 3 });
    new Client(pool).submit(...Array.from({ length: 10 }, () => ({})));
    expect(worker.dispatches()).toHaveLength(3);
    expect(worker.used).toBe(3);
    expect(pool.state.queued).toBe(7);
  });

  it('is shared by all kinds of its service, and not by those of another', () => {
    const pool = new Pool();
    const worker = new WorkerPeer(pool);
    worker.serve(
      worker.service({ kinds: ['echo', 'ocr.read'], slots: 1 }),
      worker.service({ name: 'second', kinds: ['ner.extract'], slots: 2 }),
    );
    new Client(pool).submit({ kind: 'ocr.read' }, {}, { kind: 'ner.extract' }, { kind: 'ner.extract' });
    expect(worker.dispatches().map(({ kind }) => kind)).toEqual(['ocr.read', 'ner.extract', 'ner.extract']);
  });

  it('of any service that serves the kind is used', () => {
    const pool = new Pool();
    const worker = new WorkerPeer(pool);
    worker.serve(worker.service(), worker.service({ name: 'second', slots: 2 }));
    new Client(pool).submit({}, {}, {}, {});
    expect(worker.dispatches()).toHaveLength(3);
  });

  it.each(['cancelled', 'timed out'] as const)(
    'of a %s attempt comes back once its worker confirms the stop',
    (how) => {
      const pool = new Pool();
      const alice = new Client(pool);
      const worker = new WorkerPeer(pool);
      const [id] = alice.submit({ timeoutMs: 1_000, maxAttempts: 1 }, {});
      const given = worker.dispatched();
      if (how === 'cancelled') alice.cancel(id!);
      else pool.advance(12_000);
      expect(worker.read()).toMatchObject({ stops: [{ task: id, attempt: 1 }], dispatches: [] });
      expect(worker.used).toBe(1);
      worker.fail(given, 'cancelled', false);
      expect(worker.dispatches()).toHaveLength(1);
      expect(worker.used).toBe(1);
    },
  );

  it('is freed after a timeout when its worker never confirms the stop', () => {
    const pool = new Pool();
    const alice = new Client(pool);
    const worker = new WorkerPeer(pool);
    const [id] = alice.submit({}, {});
    const given = worker.dispatched();
    alice.cancel(id!);
    pool.advance(pool.state.settings.stopTimeoutMs - 1_000);
    expect(worker.dispatches()).toEqual([]);
    pool.advance(1_000);
    expect(worker.dispatches()).toHaveLength(1);
    worker.fail(given, 'cancelled', false);
    expect(worker.used).toBe(1);
  });

  it('of a service that is not healthy gets nothing', () => {
    const pool = new Pool();
    const worker = new WorkerPeer(pool);
    worker.serve(worker.service({ state: 'unhealthy' }));
    new Client(pool).submit({});
    expect(worker.dispatches()).toEqual([]);
    worker.serve(worker.service());
    expect(worker.dispatches()).toHaveLength(1);
  });

  it('stays counted when the worker reports its services again', () => {
    const pool = new Pool();
    const worker = new WorkerPeer(pool, { slots: 2 });
    const alice = new Client(pool);
    const [first] = alice.submit({}, {}, {});
    const given = worker.dispatches();
    alice.cancel(first!);
    worker.serve(worker.service({ slots: 2 }));
    expect(worker.used).toBe(2);
    worker.serve(worker.service({ slots: 1 }));
    worker.fail(given[0]!, 'cancelled');
    expect(worker.dispatches()).toEqual([]);
    worker.succeed(given[1]!);
    expect(worker.dispatches()).toHaveLength(1);
  });
});

describe('among workers', () => {
  it('equals take turns', () => {
    const pool = new Pool();
    const workers = Array.from({ length: 4 }, () => new WorkerPeer(pool, { slots: 4 }));
    new Client(pool).submit(...Array.from({ length: 8 }, () => ({})));
    expect(workers.map((worker) => worker.dispatches().length)).toEqual([2, 2, 2, 2]);
  });

  it('the one with most of its room free is first', () => {
    const pool = new Pool();
    const busy = new WorkerPeer(pool, { slots: 4 });
    const alice = new Client(pool);
    alice.submit({}, {}, {});
    expect(busy.dispatches()).toHaveLength(3);
    const idle = new WorkerPeer(pool, { slots: 2 });
    alice.submit({});
    expect(idle.dispatches()).toHaveLength(1);
  });

  it('one that drains, by its own will or an admin, gets nothing until it stops doing so', () => {
    const pool = new Pool();
    const worker = new WorkerPeer(pool);
    const alice = new Client(pool);
    const admin = new Client(pool, 'admin', 'admin');
    worker.drain(true);
    admin.act({ do: 'worker.drain', worker: worker.id, draining: true });
    alice.submit({});
    worker.drain(false);
    expect(worker.dispatches()).toEqual([]);
    admin.act({ do: 'worker.drain', worker: worker.id, draining: false });
    expect(worker.dispatches()).toHaveLength(1);
  });

  it('one whose hello reports draining drains from the start', () => {
    const pool = new Pool();
    const worker = new WorkerPeer(pool);
    worker.disconnect();
    new Client(pool).submit({});
    worker.connect({ draining: true });
    expect(worker.dispatches()).toEqual([]);
  });
});

it('a dispatch carries what the worker needs, and its watchers are sent the change', () => {
  const pool = new Pool();
  const alice = new Client(pool);
  const blob = 'ab'.repeat(32);
  pool.memory.addBlob({ owner: 'alice', blob, size: 1 });
  const id = alice.submitWatched({ blobs: [blob], timeoutMs: 5_000 });
  const worker = new WorkerPeer(pool);
  expect(worker.dispatched()).toMatchObject({ task: id, attempt: 1, kind: 'echo', blobs: [blob], timeoutMs: 5_000 });
  expect(alice.read().changed).toEqual([{ task: id, state: 'running', attempt: 1, worker: worker.id }]);
  expect(pool.memory.tables.events.at(-1)).toMatchObject({ type: 'task.dispatched', subject: id, owner: 'alice' });
});
