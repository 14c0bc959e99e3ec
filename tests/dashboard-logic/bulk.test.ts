/** One action on many workers: bounded concurrency, each once, and all failures reported. */
import { describe, expect, it } from 'vitest';
import { forEachWorker } from '../../dashboard/src/lib/workers/bulk.js';
import {
  drainConsequences,
  pinConsequences,
  resumeConsequences,
} from '../../dashboard/src/lib/workers/consequences.js';

describe('for each of many workers', () => {
  it('runs once, sixteen at a time, with progress', async () => {
    const workers = Array.from({ length: 100 }, (_, i) => i);
    const done: number[] = [];
    const progress: number[] = [];
    let now = 0;
    let most = 0;
    const work = async (worker: number) => {
      most = Math.max(most, ++now);
      await Promise.resolve();
      now--;
      done.push(worker);
    };
    expect(await forEachWorker(workers, 'Drained', work, (n) => progress.push(n))).toBe('Drained 100 workers');
    expect(done.toSorted((a, b) => a - b)).toEqual(workers);
    expect(progress).toEqual(workers.map((n) => n + 1));
    expect(most).toBe(16);
  });

  it('failures do not stop the others, and are reported with the first reason', async () => {
    const done: string[] = [];
    const work = (worker: string): Promise<void> => {
      if (worker === 'w-1') throw new Error('w-1 is not here');
      if (worker === 'w-3') return Promise.reject('gone');
      done.push(worker);
      return Promise.resolve();
    };
    let settled = 0;
    const all = forEachWorker(['w-1', 'w-2', 'w-3'], 'Resumed', work, (n) => {
      settled = n;
    });
    await expect(all).rejects.toThrow('Resumed 1 worker; 2 failed: w-1 is not here');
    expect(done).toEqual(['w-2']);
    expect(settled).toBe(3);
  });

  it('of none there is nothing to do', async () => {
    const never = () => Promise.reject(new Error('called'));
    expect(await forEachWorker([], 'Drained', never, never)).toBe('Drained 0 workers');
  });
});

describe('what an action will do', () => {
  const subject = (state: string, running = 0, slots = 4) => ({ state, running, slots });

  it('counts the slots of those that are here alone', () => {
    const said = drainConsequences([subject('online'), subject('offline'), subject('draining', 0, 1)], true);
    expect(said).toEqual([
      'They get no more tasks until you resume them, also after a restart.',
      'Nothing runs on them now.',
      'The pool can run 5 fewer tasks at once.',
    ]);
    expect(drainConsequences([subject('away', 1)], false)).toEqual([
      'It gets no more tasks until you resume it, also after a restart.',
      '1 running task runs to the end.',
    ]);
  });

  it('says for how many workers it takes effect later', () => {
    expect(resumeConsequences([subject('offline')])).toEqual(['It gets tasks again once it is back online.']);
    expect(resumeConsequences([subject('online'), subject('offline')])).toEqual([
      'They get tasks again at once.',
      '1 of them is not online now.',
    ]);
    expect(resumeConsequences([subject('away'), subject('offline')])).toEqual([
      'They get tasks again once they are back online.',
    ]);
    expect(pinConsequences(null, subject('offline', 2)).slice(1)).toEqual([
      'That takes effect once it is back online.',
      '2 running tasks continue.',
    ]);
  });
});
