/** Active time: what a suspended or busy process does not spend. */
import { ActiveTime } from '@rma/server/runtime/clock';
import { expect, it } from 'vitest';

function setUp() {
  let nowMs = 1_000;
  const active = new ActiveTime({ nowMs: () => nowMs, wallMs: () => 0 });
  /** Active ms that go by in as many ms, with a reading at their end only. */
  const spend = (ms: number): number => {
    const before = active.nowMs();
    nowMs += ms;
    return active.nowMs() - before;
  };
  return { active, spend };
}

it('goes by as fast as the clock while it is read often, and by a second at most between two readings', () => {
  const { spend } = setUp();
  expect([100, 999, 1_000, 1_001, 75_000].map(spend)).toEqual([100, 999, 1_000, 1_000, 1_000]);
});

it('tells once of a gap in which peers that last heard a heartbeat may have left', () => {
  const { active, spend } = setUp();
  spend(4_999);
  expect(active.takeStall()).toBe(false);
  spend(5_000);
  expect(active.takeStall()).toBe(true);
  expect(active.takeStall()).toBe(false);
});
