/** Queries begin in turn by asker, a few in one pass of the event loop, and not at all once their asker has gone. */
import { QueryTurns } from '@rma/server/query/query-turns';
import { beforeEach, describe, expect, it } from 'vitest';

const pass = () => new Promise((resolve) => setImmediate(resolve));

describe('queries', () => {
  let dropped: unknown[];
  let begun: string[];
  let turns: QueryTurns;
  beforeEach(() => {
    dropped = [];
    begun = [];
    turns = new QueryTurns({ drop: (asker) => dropped.push(asker) });
  });
  const ask = (asker: string) => turns.ask(asker, () => begun.push(asker));
  const flood = (asker: string, queries: number) =>
    Promise.allSettled(Array.from({ length: queries }, () => ask(asker)));

  it('begin four at a time, so that turns of the core get between', async () => {
    const all = flood('client', 100);
    for (let passes = 1; passes <= 25; passes++) {
      await pass();
      expect(begun).toHaveLength(passes * 4);
    }
    await all;
  });

  it("of an admin begin behind one of a client's 256", async () => {
    const all = flood('client', 256);
    await ask('admin');
    expect(begun.indexOf('admin')).toBe(1);
    await all;
  });

  it('beyond 256 of one asker are refused, and leave the others their answers', async () => {
    const all = flood('client', 300);
    const other = ask('admin');
    const refused = (await all).filter(({ status }) => status === 'rejected') as PromiseRejectedResult[];
    expect(refused).toHaveLength(300 - 256);
    expect(refused[0]?.reason).toMatchObject({ kind: 'unavailable' });
    await other;
  });

  it('of an asker that has gone do not begin', async () => {
    const all = flood('gone', 256);
    await pass();
    turns.drop('gone');
    await ask('admin');
    expect(begun).toEqual([...Array(4).fill('gone'), 'admin']);
    expect((await all).filter(({ status }) => status === 'rejected')).toHaveLength(252);
    expect(turns.waiting).toBe(0);
    expect(dropped).toEqual(['gone']);
  });

  it('that fail reject, at once or later', async () => {
    const fail = () => {
      throw new Error('at once');
    };
    await expect(turns.ask('a', fail)).rejects.toThrow('at once');
    await expect(turns.ask('a', () => Promise.reject(new Error('later')))).rejects.toThrow('later');
  });
});
