/** The event stream is limited to a readable rate, and every omitted event is counted. */
import type { RecentEvent } from '@rma/client';
import type { EventType } from '@rma/protocol/event';
import { beforeEach, describe, expect, it } from 'vitest';
import { groupsFrom, toggled, typesOf, withGroups } from '../../dashboard/src/lib/overview/event-filter.js';
import {
  arrive,
  type EventFlow,
  newFlow,
  pause,
  show,
  showDueMs,
  waitingCount,
} from '../../dashboard/src/lib/overview/event-flow.js';

let seq = 0;
beforeEach(() => {
  seq = 0;
});

/** The newest first, as they come. */
function some(count: number, type: EventType = 'task.submitted', omitted = 0): RecentEvent[] {
  const events = Array.from({ length: count }, () => ({ event: { seq: ++seq, at: seq, type }, omitted }));
  return events.reverse();
}

const told = ({ rows }: EventFlow) => rows.reduce((sum, { omitted }) => sum + 1 + omitted, 0);

describe('the flow of events', () => {
  it('shows what happens now and then at once', () => {
    let flow = newFlow([], 0);
    for (let second = 1; second <= 20; second++) {
      flow = arrive(flow, some(2), second * 1_000);
      expect(flow.rows[0]?.event.seq).toBe(seq);
      expect(flow.waiting).toEqual([]);
    }
    expect(flow.rows.every(({ omitted }) => omitted === 0)).toBe(true);
  });

  it('shows a few rows a second of a flood, the newest, and counts all others', () => {
    let flow = newFlow([], 0);
    const changes: number[] = [];
    let all = 0;
    for (let ms = 250; ms <= 10_000; ms += 250) {
      const before = flow.rows[0]?.event.seq ?? 0;
      flow = arrive(flow, some(12, 'task.submitted', 100), ms);
      all += 12 * 101;
      changes.push(flow.rows.filter(({ event }) => event.seq > before).length);
    }
    const came = changes.reduce((sum, rows) => sum + rows, 0);
    expect(came).toBeLessThanOrEqual(8 + 4 * 10 + 10);
    expect(told(flow) + waitingCount(flow)).toBe(all);
  });

  it('keeps what is rare, however much else happens', () => {
    let flow = newFlow([], 0);
    flow = arrive(flow, some(8), 1);
    flow = arrive(flow, some(1, 'worker.lost'), 2);
    flow = arrive(flow, some(300), 3);
    flow = show(flow, 2_000);
    expect(flow.rows.map(({ event }) => event.type)).toContain('worker.lost');
    expect(flow.rows[0]?.event.seq).toBe(seq);
    expect(told(flow)).toBe(309);
    const seqs = flow.rows.map(({ event }) => event.seq);
    expect(seqs).toEqual([...seqs].sort((a, b) => b - a));
  });

  it('shows what waits by itself after a while', () => {
    let flow = arrive(newFlow([], 0), some(8), 0);
    expect(showDueMs(flow)).toBeUndefined();
    flow = arrive(flow, some(5), 10);
    expect(flow.waiting).toHaveLength(5);
    const dueMs = showDueMs(flow)!;
    expect(dueMs).toBeGreaterThan(0);
    flow = show(flow, 10 + dueMs);
    expect(flow.waiting).toEqual([]);
    expect(told(flow)).toBe(13);
  });

  it('does not change while paused, and counts what arrives', () => {
    let flow = pause(arrive(newFlow([], 0), some(3), 0), true, 0);
    const before = flow.rows;
    for (let i = 1; i <= 100; i++) flow = arrive(flow, some(20), i * 250);
    expect(flow.rows).toBe(before);
    expect(waitingCount(flow)).toBe(2_000);
    expect(flow.waiting.length).toBeLessThanOrEqual(60);
    expect(showDueMs(flow)).toBeUndefined();
    flow = pause(flow, false, 30_000);
    expect(flow.rows[0]?.event.seq).toBe(seq);
    expect(told(flow)).toBe(2_003);
  });

  it('holds no more than a page of rows', () => {
    let flow = newFlow(some(200), 0);
    for (let i = 1; i <= 500; i++) flow = arrive(flow, some(4), i * 1_000);
    expect(flow.rows).toHaveLength(60);
  });
});

describe('the filter of events in the address', () => {
  const at = (query: string) => new URL(`http://pool.test/${query}`);

  it('is everything where it names nothing that there is', () => {
    expect(groupsFrom(at('').searchParams)).toHaveLength(5);
    expect(groupsFrom(at('?events=weather').searchParams)).toHaveLength(5);
    expect(typesOf(groupsFrom(at('').searchParams))).toBeUndefined();
  });

  it('names groups, of which the coordinator is asked for the types', () => {
    const groups = groupsFrom(at('?events=workers,access,weather').searchParams);
    expect(groups).toEqual(['workers', 'access']);
    expect(typesOf(groups)).toEqual(['worker.', 'token.', 'session.']);
  });

  it('begins with one group, takes others in and out, and keeps the rest of the address', () => {
    expect(toggled(at('?a=1'), 'workers')).toBe('/?a=1&events=workers');
    expect(toggled(at('?events=workers'), 'tasks')).toBe('/?events=tasks,workers');
    expect(toggled(at('?events=tasks,workers'), 'tasks')).toBe('/?events=workers');
    expect(toggled(at('?events=workers'), 'workers')).toBe('/');
    expect(withGroups(at('?events=workers&a=1'), [])).toBe('/?a=1');
  });
});
