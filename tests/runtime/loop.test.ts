/** The loop on a full disk: when it retries, what it reports, and what it defers until it can write. */
import type { Input } from '@rma/server/core/inputs';
import { Loop } from '@rma/server/runtime/loop';
import { StorageFull } from '@rma/server/store/store';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { MemoryStore } from '../core/memory-store.js';

/** A store on a disk that is full while `full` is set. */
class FillingStore extends MemoryStore {
  full = false;
  tries = 0;

  override tryToWrite(): boolean {
    this.tries++;
    return !this.full;
  }

  override commit(...args: Parameters<MemoryStore['commit']>): void {
    if (this.full) throw new StorageFull(new Error('test'));
    super.commit(...args);
  }
}

const refused = (message: string): Input => ({ type: 'catalog.refused', source: 'catalog.yaml', message });

describe('a loop whose store has no room', () => {
  let store: FillingStore;
  let loop: Loop;
  let nowMs: number;
  let performed: number;
  let released: number;
  let rebuilt: number;
  let recovered: number;
  let failed: unknown;

  beforeEach(async () => {
    store = new FillingStore();
    nowMs = 1_000;
    performed = released = rebuilt = recovered = 0;
    failed = undefined;
    loop = await Loop.start({
      store,
      clock: { nowMs: () => nowMs, wallMs: () => 1_800_000_000_000 + nowMs },
      settings: {},
      builtInKinds: [],
      reserve: { release: () => released++, isFull: () => store.full },
      perform: () => performed++,
      rebuilt: () => rebuilt++,
      recovered: () => recovered++,
      fatal: (error) => {
        failed = error;
      },
    });
  });
  afterEach(async () => {
    await loop.stop();
    expect(failed).toBeUndefined();
  });

  const written = () => store.tables.events.map(({ type, data }) => (data?.message as string | undefined) ?? type);

  /** Resolves after a turn that begins now. */
  async function aTurn(): Promise<void> {
    const before = performed;
    loop.push({ type: 'closed', session: 1, reason: 'gone' });
    await expect.poll(() => performed).toBeGreaterThan(before);
  }

  it('rebuilds once, and writes deferred inputs once there is room', async () => {
    store.full = true;
    loop.push(refused('first'));
    await expect.poll(() => rebuilt).toBe(1);
    expect(loop.state.readOnly).toBe(true);
    loop.push(refused('second'));
    await expect.poll(() => store.tries).toBe(1);
    expect(written()).toEqual([]);

    store.full = false;
    nowMs += 1_000;
    await expect.poll(written).toEqual(['first', 'second', 'storage.full', 'storage.recovered']);
    expect(loop.state.readOnly).toBe(false);
    expect({ released, rebuilt, recovered }).toEqual({ released: 1, rebuilt: 1, recovered: 1 });
  });

  it('counts a suspension as a second of its own time, and tells the core of it', async () => {
    const before = loop.state.frozenUntilMs;
    nowMs += 75_000;
    await aTurn();
    expect(loop.state.frozenUntilMs).toBe(before + 1_000);
    expect(loop.state.stalledUntilMs).toBeGreaterThan(2_000);
    expect(loop.state.stalledUntilMs).toBeLessThan(60_000);
  });

  it('tries again after a quarter of a second, then half a second, up to five', async () => {
    store.full = true;
    loop.push(refused('first'));
    for (const [i, waitMs] of [250, 500, 1_000, 2_000, 4_000, 5_000, 5_000].entries()) {
      await expect.poll(() => store.tries).toBe(i + 1);
      nowMs += waitMs - 1;
      await aTurn();
      expect(store.tries).toBe(i + 1);
      nowMs += 1;
    }
    expect(rebuilt).toBe(1);
  });
});
