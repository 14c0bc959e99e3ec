/** Matching by index: what a turn looks at does not grow with the pool, and nobody waits beside a slot that is free for it. */
import type { Constraints } from '@rma/protocol/task';
import { describe, expect, it } from 'vitest';
import { Pool } from './harness.js';
import { checkIndex } from './index-invariants.js';
import { Client, machine, WorkerPeer } from './peer.js';

const WORKERS = 400;
const LANES = 255;

/** How often a worker and a lane were held against each other meanwhile. */
function looksOf(pool: Pool, act: () => void): number {
  const before = pool.state.index.looks;
  act();
  return pool.state.index.looks - before;
}

/** Idle workers, each different by its host and of one of ten sites, and a busy one with a result to report. */
function largePool() {
  const pool = new Pool({ settings: { maxLanesPerOwner: 10_000 } });
  const alice = new Client(pool);
  for (let i = 0; i < WORKERS; i++) new WorkerPeer(pool, { labels: { host: `h${i}`, site: `s${i % 10}` } });
  const busy = new WorkerPeer(pool, { labels: { host: 'busy', site: 's0' }, hardware: machine(1) });
  const [id] = alice.submit({ constraints: { worker: busy.id } });
  return { pool, alice, busy, given: { task: id!, attempt: 1 } };
}

describe('a turn with one result', () => {
  it.each<[string, (i: number, busy: WorkerPeer) => Constraints]>([
    ['a label that nobody has', (i) => ({ labels: { host: `none${i}` } })],
    ['two labels that many have, and nobody both', (i) => ({ labels: { site: 's0', host: `h${i * 10 + 1}` } })],
    ['more VRAM than there is', (i) => ({ minVramMiB: 100_000 + i, labels: { site: 's0' } })],
    ['a model that nobody has', (i) => ({ model: `m${i}`, tier: 3 })],
    ['the busy worker, and more VRAM than it has', (i, { id }) => ({ worker: id, minVramMiB: 9_000 + i })],
  ])('looks at no idle worker for lanes that wait for %s', (_what, constraints) => {
    const { pool, alice, busy, given } = largePool();
    alice.submit(...Array.from({ length: LANES }, (_, i) => ({ constraints: constraints(i, busy) })));
    expect(pool.state.lanes.size).toBeGreaterThan(WORKERS / 10);
    const looks = looksOf(pool, () => busy.succeed(given));
    expect(looks).toBeLessThanOrEqual(LANES);
    checkIndex(pool);
  });

  it('looks at one lane to dispatch, however many wait for the same slot', () => {
    const { pool, alice, busy, given } = largePool();
    const lanes = Array.from({ length: LANES }, (_, i) => ({ constraints: { worker: busy.id, minVramMiB: 1 + i } }));
    const ids = alice.submit(...lanes);
    expect(looksOf(pool, () => busy.succeed(given))).toBeLessThanOrEqual(2);
    expect(busy.dispatches().map(({ task }) => task)).toEqual([given.task, ids[0]]);
  });

  it('dispatches to a freed slot by priority, then arrival, across the lanes that wait for it', () => {
    const { alice, busy, given } = largePool();
    const priorities = [1, 5, 3, 5, 2];
    const ids = alice.submit(
      ...priorities.map((priority, i) => ({ priority, constraints: { worker: busy.id, minVramMiB: 1 + i } })),
    );
    busy.dispatches();
    const order: string[] = [];
    for (let next = [given]; next.length > 0; next = busy.dispatches()) {
      order.push(next[0]!.task);
      busy.succeed(next[0]!);
    }
    expect(order.slice(1)).toEqual([1, 3, 2, 4, 0].map((i) => ids[i]));
  });
});

describe('a search', () => {
  it('finds the one free worker among many full ones', () => {
    const pool = new Pool();
    const alice = new Client(pool);
    for (let i = 0; i < 100; i++) new WorkerPeer(pool, { labels: { site: 'a' } });
    alice.submit(...Array.from({ length: 100 }, () => ({})));
    const last = new WorkerPeer(pool, { labels: { site: 'a' } });
    const looks = looksOf(pool, () => alice.submit({ constraints: { labels: { site: 'a' } } }));
    expect(last.dispatches()).toHaveLength(1);
    expect(looks).toBe(1);
  });

  it('goes on in later turns through more workers than one turn looks at, and finds the only one that fits', () => {
    const pool = new Pool();
    const alice = new Client(pool);
    const peers = Array.from({ length: 700 }, (_, i) => {
      const half = i % 2 === 0 ? { a: 'yes' } : { b: 'yes' };
      return new WorkerPeer(pool, { labels: i === 3 ? { a: 'yes', b: 'yes' } : half });
    });
    alice.submit(
      { constraints: { labels: { a: 'yes', b: 'yes' } } },
      { constraints: { labels: { a: 'yes', b: 'yes' } } },
    );
    expect(peers[3]!.dispatches()).toHaveLength(1);
    const [before] = [pool.state.index.looks];
    pool.advance(1_000);
    expect(pool.state.index.looks).toBe(before);
  });

  it('leaves nothing in the index of what is gone', () => {
    const pool = new Pool();
    const alice = new Client(pool);
    const { size } = pool.state.index.terms;
    const worker = new WorkerPeer(pool, { labels: { host: 'x' }, models: ['phi'], kinds: ['echo', 'my.kind'] });
    const ids = alice.submit({ constraints: { labels: { host: 'y' }, model: 'llama', tier: 1, minVramMiB: 1_000 } });
    expect(pool.state.index.terms.size).toBeGreaterThan(size + 5);
    for (const id of ids) alice.cancel(id);
    worker.disconnect();
    pool.advance(2_000);
    expect(pool.state.index.terms.size).toBe(size);
  });
});

it('wakes the lanes that wait for what a worker became: by label, tier, model, resuming', () => {
  const pool = new Pool();
  const alice = new Client(pool);
  const admin = new Client(pool, 'admin', 'admin');
  const worker = new WorkerPeer(pool, { slots: 4 });
  alice.submit(
    { constraints: { labels: { site: 'a' } } },
    { constraints: { tier: 1 } },
    { constraints: { model: 'm' } },
  );
  expect(worker.dispatches()).toHaveLength(0);
  admin.act({ do: 'worker.label', worker: worker.id, labels: { site: 'a' } });
  expect(worker.dispatches()).toHaveLength(1);
  admin.act({ do: 'worker.pin', worker: worker.id, tier: 1 });
  expect(worker.dispatches()).toHaveLength(1);
  worker.serve(worker.service({ models: ['m'], slots: 4 }));
  expect(worker.dispatches()).toHaveLength(1);
  checkIndex(pool);
});

describe('a worker on which an attempt failed', () => {
  it('is the last to get the next one: a sink-hole fails no task for good', () => {
    const pool = new Pool();
    const alice = new Client(pool);
    const bad = new WorkerPeer(pool);
    const good = Array.from({ length: 4 }, () => new WorkerPeer(pool));
    const ids = alice.submit(...Array.from({ length: 200 }, () => ({ backoffMs: 0 })));
    for (let round = 0; round < 400 && pool.state.openPerOwner.size > 0; round++) {
      for (let at = 0; at < 4; at++) for (const given of bad.dispatches()) bad.fail(given);
      for (const one of good) for (const given of one.dispatches()) one.succeed(given);
      pool.advance(100);
    }
    const states = pool.store.fetch(ids).map(({ state }) => state);
    expect(states.filter((state) => state !== 'succeeded')).toEqual([]);
  });

  it('gets it all the same where no other could, or none becomes free in time', () => {
    const pool = new Pool();
    const alice = new Client(pool);
    const first = new WorkerPeer(pool);
    alice.submit({ backoffMs: 0 });
    first.fail(first.dispatched());
    expect(first.dispatched().attempt).toBe(2);
    const second = new WorkerPeer(pool);
    alice.submit({});
    expect(second.dispatches()).toHaveLength(1);
    first.fail({ task: [...pool.state.running].find(({ attempt }) => attempt === 2)!.id, attempt: 2 });
    pool.advance(20_000);
    expect(first.dispatches()).toHaveLength(0);
    pool.advance(15_000);
    expect(first.dispatched().attempt).toBe(3);
  });
});

describe('the slots that a worker claims', () => {
  it('are believed as far as its accepted outputs show', () => {
    const pool = new Pool();
    const alice = new Client(pool);
    alice.submit(...Array.from({ length: 1_000 }, () => ({})));
    const worker = new WorkerPeer(pool, { slots: 4_096 });
    const rounds: number[] = [];
    for (let round = 0; round < 4; round++) {
      const given = worker.dispatches();
      rounds.push(given.length);
      worker.results(...given.map(({ task, attempt }) => ({ task, attempt, output: new Uint8Array() })));
    }
    expect(rounds).toEqual([8, 16, 48, 144]);
  });

  it('draw little of the queue where they are claimed and never answered', () => {
    const pool = new Pool();
    const alice = new Client(pool);
    for (let i = 0; i < 8; i++) new WorkerPeer(pool, { slots: 4_096 });
    const honest = new WorkerPeer(pool, { slots: 4 });
    for (let i = 0; i < 20; i++) alice.submit(...Array.from({ length: 100 }, () => ({})));
    for (let given = honest.dispatches(); given.length > 0; given = honest.dispatches()) {
      honest.results(...given.map(({ task, attempt }) => ({ task, attempt, output: new Uint8Array() })));
    }
    expect(pool.state.ended.get('succeeded')).toBe(2_000 - 64);
  });

  it('are believed less after attempts that timed out, and more of a trusted worker', () => {
    const pool = new Pool();
    const alice = new Client(pool);
    const worker = new WorkerPeer(pool, { slots: 100 });
    alice.submit(...Array.from({ length: 40 }, () => ({ timeoutMs: 1_000, maxAttempts: 1 })));
    for (let round = 0; round < 2; round++) {
      worker.results(...worker.dispatches().map(({ task, attempt }) => ({ task, attempt, output: new Uint8Array() })));
    }
    expect(worker.live.proven).toBe(24);
    pool.advance(12_000);
    expect(worker.live.proven).toBe(0);
    alice.submit(...Array.from({ length: 100 }, () => ({})));
    expect(new WorkerPeer(pool, { slots: 100, trust: 'trusted' }).dispatches()).toHaveLength(64);
  });
});
