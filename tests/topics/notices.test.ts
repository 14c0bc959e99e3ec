/** Notices: which conditions raise one, since when it holds, and that it goes once it is over. */
import { Notices, type Signals } from '@rma/server/topics/notices';
import { beforeEach, describe, expect, it } from 'vitest';
import { Pool } from '../core/harness.js';
import { Client, machine, WorkerPeer } from '../core/peer.js';

const QUIET: Signals = { outcomes: { succeeded: 0, failed: 0 }, departures: new Map() };

describe('notices', () => {
  let pool: Pool;
  let notices: Notices;

  beforeEach(() => {
    pool = new Pool();
    notices = new Notices();
  });

  const evaluate = (signals: Partial<Signals> = {}) =>
    notices.evaluate(pool.state, { ...QUIET, ...signals }, pool.wallMs);
  const named = (signals?: Partial<Signals>) => evaluate(signals).map(({ fact, subject }) => [fact, subject]);

  it('are none for a healthy or an empty pool', () => {
    expect(evaluate()).toEqual([]);
    new WorkerPeer(pool);
    new Client(pool).submit({}, {}, {});
    expect(evaluate()).toEqual([]);
  });

  it('report a full disk, and whether results still fit', () => {
    pool.push({ type: 'storage', full: true });
    pool.settle();
    expect(evaluate()).toMatchObject(
      [{ fact: 'storage.full', severity: 'critical', text: /results still fit/ }].map(like),
    );
    pool.push({ type: 'storage', full: false });
    pool.settle();
    expect(evaluate()).toEqual([]);
  });

  it('report only the disk in read-only mode', () => {
    new WorkerPeer(pool);
    new Client(pool).submit({}, {}, {});
    pool.rebuildReadOnly();
    expect(evaluate()).toMatchObject([{ fact: 'storage.full', text: /workers are kept out/ }].map(like));
  });

  it('report a tier whose known workers have no healthy service, until one has', () => {
    const worker = new WorkerPeer(pool, { hardware: machine(2) });
    worker.disconnect();
    const found = evaluate();
    expect(found).toMatchObject([{ fact: 'tier.unserved', severity: 'critical', subject: '2', since: pool.wallMs }]);
    expect(found[0]?.text).toContain('1 of that tier is known');
    worker.connect();
    expect(evaluate()).toEqual([]);
  });

  it('report a kind without a worker, and one that has waited for a minute, the more severe first', () => {
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
    expect(evaluate()[1]?.text).toContain('1 task of the kind echo waits, the first for 61 s');
  });

  it('report failures from five and a fifth of all', () => {
    expect(named({ outcomes: { succeeded: 0, failed: 4 } })).toEqual([]);
    expect(named({ outcomes: { succeeded: 21, failed: 5 } })).toEqual([]);
    expect(evaluate({ outcomes: { succeeded: 20, failed: 5 } })[0]?.text).toContain('5 of 25 tasks');
  });

  it('report a flapping worker, unless it is revoked or unknown', () => {
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

  it('keep the time since when they hold, and start over once they did not', () => {
    const worker = new WorkerPeer(pool);
    const departures = new Map([[worker.id, 4]]);
    const since = pool.wallMs;
    expect(evaluate({ departures })[0]?.since).toBe(since);
    pool.advance(10_000);
    expect(evaluate({ departures })[0]?.since).toBe(since);
    expect(evaluate()).toEqual([]);
    pool.advance(10_000);
    expect(evaluate({ departures })[0]?.since).toBe(since + 20_000);
  });
});

/** Lets patterns stand where texts are. */
function like<T extends { text: RegExp }>(notice: T) {
  return { ...notice, text: expect.stringMatching(notice.text) };
}
