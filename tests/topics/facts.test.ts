/** Facts: what an admin is told of the pool as it is now, from when, and that it goes once it is over. */
import { Facts, type Signs } from '@rma/server/topics/facts';
import { beforeEach, describe, expect, it } from 'vitest';
import { Pool } from '../core/harness.js';
import { Client, machine, WorkerPeer } from '../core/peer.js';

const QUIET: Signs = { outcomes: { succeeded: 0, failed: 0 }, departures: new Map() };

describe('facts', () => {
  let pool: Pool;
  let facts: Facts;

  beforeEach(() => {
    pool = new Pool();
    facts = new Facts();
  });

  const judge = (signs: Partial<Signs> = {}) => facts.judge(pool.state, { ...QUIET, ...signs }, pool.wallMs);
  const named = (signs?: Partial<Signs>) => judge(signs).map(({ fact, subject }) => [fact, subject]);

  it('of a pool that is well, or empty, are none', () => {
    expect(judge()).toEqual([]);
    new WorkerPeer(pool);
    new Client(pool).submit({}, {}, {});
    expect(judge()).toEqual([]);
  });

  it('tell of a full disk, and whether results still fit', () => {
    pool.push({ type: 'storage', full: true });
    pool.settle();
    expect(judge()).toMatchObject(
      [{ fact: 'storage.full', severity: 'critical', text: /results still fit/ }].map(like),
    );
    pool.push({ type: 'storage', full: false });
    pool.settle();
    expect(judge()).toEqual([]);
  });

  it('tell of nothing but the disk where its state keeps workers out', () => {
    new WorkerPeer(pool);
    new Client(pool).submit({}, {}, {});
    pool.rebuildReadOnly();
    expect(judge()).toMatchObject([{ fact: 'storage.full', text: /workers are kept out/ }].map(like));
  });

  it('tell of a tier whose known workers serve nothing, until one does', () => {
    const worker = new WorkerPeer(pool, { hardware: machine(2) });
    worker.disconnect();
    const found = judge();
    expect(found).toMatchObject([{ fact: 'tier.unserved', severity: 'critical', subject: '2', since: pool.wallMs }]);
    expect(found[0]?.text).toContain('1 of that tier is known');
    worker.connect();
    expect(judge()).toEqual([]);
  });

  it('tell of a kind that waits and has no worker, and of one that waits for a minute, the graver first', () => {
    const echo = new WorkerPeer(pool);
    const other = new WorkerPeer(pool, { kinds: ['ner.extract'] });
    const alice = new Client(pool);
    alice.submit({}, {});
    other.disconnect();
    alice.submit({ kind: 'ner.extract' });
    expect(named()).toEqual([['kind.unserved', 'ner.extract']]);
    pool.advance(61_000);
    expect(echo.read().dispatches).toHaveLength(1);
    expect(named()).toEqual([
      ['kind.unserved', 'ner.extract'],
      ['queue.old', 'echo'],
    ]);
    expect(judge()[1]?.text).toContain('1 task of the kind echo waits, the first for 61 s');
  });

  it('tell of failures where they are many and a fifth of all', () => {
    expect(named({ outcomes: { succeeded: 0, failed: 4 } })).toEqual([]);
    expect(named({ outcomes: { succeeded: 21, failed: 5 } })).toEqual([]);
    expect(judge({ outcomes: { succeeded: 20, failed: 5 } })[0]?.text).toContain('5 of 25 tasks');
  });

  it('tell of a worker that comes and goes, unless it was revoked or is not known', () => {
    const worker = new WorkerPeer(pool);
    const departures = new Map([
      [worker.id, 4],
      ['w-gone', 9],
    ]);
    expect(named({ departures })).toEqual([['worker.flapping', worker.id]]);
    expect(named({ departures: new Map([[worker.id, 3]]) })).toEqual([]);
    new Client(pool, 'admin', 'admin').act({ do: 'worker.revoke', worker: worker.id });
    expect(named({ departures })).toEqual([]);
  });

  it('keep the time they began, and begin anew after they were over', () => {
    const worker = new WorkerPeer(pool);
    const departures = new Map([[worker.id, 4]]);
    const since = pool.wallMs;
    expect(judge({ departures })[0]?.since).toBe(since);
    pool.advance(10_000);
    expect(judge({ departures })[0]?.since).toBe(since);
    expect(judge()).toEqual([]);
    pool.advance(10_000);
    expect(judge({ departures })[0]?.since).toBe(since + 20_000);
  });
});

/** Lets patterns stand where texts are. */
function like<T extends { text: RegExp }>(fact: T) {
  return { ...fact, text: expect.stringMatching(fact.text) };
}
