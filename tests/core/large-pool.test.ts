/** What placement and questions look at in a large pool: a part that does not grow with it. */
import { explainWaiting } from '@rma/server/core/explain';
import { countWorkers } from '@rma/server/core/view';
import { beforeAll, describe, expect, it } from 'vitest';
import { Pool } from './harness.js';
import { Client, WorkerPeer } from './peer.js';
import { ENGINE, entry, useCatalog } from './placement/catalog-fixtures.js';

const WORKERS = 600;

let pool: Pool;
let alice: Client;
/** How often the labels of any worker were read: constraints of the tests have labels, so each look reads them. */
let looks = 0;

beforeAll(() => {
  pool = new Pool({ settings: { maxLanesPerOwner: 1_000 } });
  useCatalog(pool, entry('chat', { ceiling: 50 }));
  alice = new Client(pool);
  for (let i = 0; i < WORKERS; i++)
    new WorkerPeer(pool, { engine: ENGINE, labels: { site: `s${i % 2}`, host: `h${i}` } });
  for (const { record } of pool.state.workers.values()) {
    const { labels } = record;
    const get = () => {
      looks++;
      return labels;
    };
    Object.defineProperty(record, 'labels', { get, enumerable: true, configurable: true });
  }
});

function looksOf(act: () => void): number {
  looks = 0;
  act();
  return looks;
}

function why(id: string): string {
  const [task] = pool.store.fetch([id]);
  if (task?.state !== 'queued') throw new Error(`the task is ${task?.state}`);
  return explainWaiting(pool.state, { ...task, state: task.state }, pool.wallMs);
}

describe('placement', () => {
  it('looks at a bounded number of workers in a run, however many lanes wait', () => {
    alice.submit(
      ...Array.from({ length: 255 }, (_, i) => ({
        kind: 'chat.run',
        constraints: { labels: { site: `s${i % 2}` }, minVramMiB: 1 + i, tier: 3 } as const,
      })),
      ...Array.from({ length: 255 }, (_, i) => ({
        kind: 'chat.run',
        constraints: { labels: { site: 's0', host: `h${2 * i + 1}` } },
      })),
    );
    for (let run = 0; run < 5; run++) expect(looksOf(() => pool.advance(1_000))).toBeLessThanOrEqual(5_000);
  });

  it('comes to every lane in time: one that can be served is, behind any number that cannot', () => {
    const [id] = alice.submit({ kind: 'chat.run', constraints: { labels: { host: 'h599' } } });
    const { state } = pool;
    for (let run = 0; run < 60 && ![...state.index.placed].some(({ record }) => record.labels.host === 'h599'); run++) {
      pool.advance(1_000);
    }
    expect(why(id!)).toMatch(/^chat is being started on w-/);
  });
});

describe('why a task waits', () => {
  it.each([
    [
      'a label that nobody has',
      { labels: { host: 'none' } },
      'of 600 workers online, 600 serve echo, of 256 looked at, 256 lacks the label host=none: waits for one that fits',
    ],
    [
      'the rarest of its labels that one has',
      { labels: { host: 'h7', site: 's0' } },
      'of 600 workers online, 600 serve echo, of 1 looked at, 1 lacks the label site=s0: waits for one that fits',
    ],
  ])('is told from a bounded number of workers, those with %s', (_what, constraints, sentence) => {
    const [id] = alice.submit({ constraints });
    const looked = looksOf(() => expect(why(id!)).toBe(sentence));
    expect(looked).toBeLessThanOrEqual(4 * 256);
  });
});

it('statistics and pages look at no worker but those that they show', () => {
  expect(countWorkers(pool.state)).toMatchObject({ total: WORKERS, online: WORKERS, byState: { online: WORKERS } });
  const { sorted } = pool.state.index;
  const ids = [...pool.state.workers.keys()].sort();
  const page: string[] = [];
  for (const { record } of sorted.after(ids[99]!)) if (page.push(record.id) === 10) break;
  expect(page).toEqual(ids.slice(100, 110));
});
