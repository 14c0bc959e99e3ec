/** The history of a task as spans of time. */
import type { TaskDetail } from '@rma/client';
import { describe, expect, it } from 'vitest';
import { timelineOf } from '../../dashboard/src/lib/tasks/timeline.js';

const task = (more: Partial<TaskDetail>): TaskDetail => ({
  id: '0198a3c2-5b7e-7c41-9d55-0a1b2c3d4e5f',
  kind: 'echo',
  state: 'queued',
  priority: 0,
  attempt: 0,
  owner: 'ada',
  submittedAt: 1_000,
  attempts: [],
  inputBytes: 1,
  ...more,
});

describe('the timeline', () => {
  it('of a waiting task is one ongoing span', () => {
    const { spans, from, to } = timelineOf(task({}), 4_000);
    expect([from, to]).toEqual([1_000, 4_000]);
    expect(spans).toEqual([{ what: 'waiting', from: 1_000, to: 4_000, isOngoing: true, start: 0, width: 1 }]);
  });

  it('has the wait, a lost attempt with its reason, waiting again, and the attempt that succeeded, to scale', () => {
    const { spans } = timelineOf(
      task({
        state: 'succeeded',
        attempt: 2,
        startedAt: 4_000,
        endedAt: 5_000,
        attempts: [
          { attempt: 1, worker: 'w-1111', startedAt: 2_000, endedAt: 3_000, error: { code: 'lost', message: 'gone' } },
          { attempt: 2, worker: 'w-2222', startedAt: 4_000, endedAt: 5_000 },
        ],
      }),
      99_000,
    );
    expect(spans.map(({ what, outcome, start, width }) => [what, outcome, start, width])).toEqual([
      ['waiting', undefined, 0, 0.25],
      ['attempt', 'lost', 0.25, 0.25],
      ['pause', undefined, 0.5, 0.25],
      ['attempt', 'succeeded', 0.75, 0.25],
    ]);
    expect(spans[1]).toMatchObject({ reason: 'gone (lost)', worker: 'w-1111' });
  });

  it('of a running attempt continues to now', () => {
    const attempts = [{ attempt: 1, worker: 'w-1111', startedAt: 1_500 }];
    const { spans } = timelineOf(task({ state: 'running', attempt: 1, startedAt: 1_500, attempts }), 3_000);
    expect(spans.at(-1)).toMatchObject({
      what: 'attempt',
      outcome: 'running',
      isOngoing: true,
      to: 3_000,
      start: 0.25,
    });
  });

  it('of a task cancelled before it ran has waiting alone, and no span outside of it', () => {
    const { spans } = timelineOf(task({ state: 'cancelled', endedAt: 1_000 }), 0);
    expect(spans).toHaveLength(1);
    expect(spans[0]).toMatchObject({ what: 'waiting', isOngoing: false });
  });

  it('of a hundred attempts draws the first and the last ones', () => {
    const attempts = Array.from({ length: 100 }, (_, i) => ({
      attempt: i + 1,
      startedAt: 1_000 + i * 10,
      endedAt: 1_005 + i * 10,
      error: { code: 'echo.fail', message: 'no' },
    }));
    const timeline = timelineOf(task({ state: 'failed', attempt: 100, endedAt: 2_000, attempts }), 0);
    expect(timeline.hidden).toBe(88);
    expect(timeline.spans.filter(({ what }) => what === 'attempt')).toHaveLength(12);
    expect(timeline.spans.every(({ start, width }) => start >= 0 && start + width <= 1.000001)).toBe(true);
  });
});
