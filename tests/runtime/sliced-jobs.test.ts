/** Sliced jobs: what they do of what there is, when turns get between, and what a failure leads to. */
import { type SlicedJob, SlicedJobs, type SlicedJobsPorts } from '@rma/server/runtime/sliced-jobs';
import { StorageFull } from '@rma/server/store/store';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'Date'] });
});
afterEach(async () => {
  await running?.stop();
  running = undefined;
  expect(vi.getTimerCount()).toBe(0);
  vi.useRealTimers();
});

let running: SlicedJobs | undefined;
const failed: [string, unknown][] = [];
const fatal: unknown[] = [];

function start(...jobs: SlicedJob[]): SlicedJobs {
  failed.length = 0;
  fatal.length = 0;
  const ports: SlicedJobsPorts = {
    nowMs: () => Date.now(),
    failed: (job, error) => void failed.push([job, error]),
    fatal: (error) => void fatal.push(error),
  };
  running = new SlicedJobs(jobs, ports);
  return running;
}

/** As a slice or a turn does that takes so long: no timer fires meanwhile. */
const take = (ms: number) => vi.setSystemTime(Date.now() + ms);

/** A job of so many slices of 5 ms; `done` has when each one began. */
function job(name: string, slices: number, everyMs = 1_000): SlicedJob & { done: number[]; left: number } {
  const it = {
    name,
    everyMs,
    left: slices,
    done: [] as number[],
    slice() {
      it.done.push(Date.now());
      if (it.left === 0) return false;
      take(5);
      it.left--;
      return true;
    },
  };
  return it;
}

it('a job that has more to do goes on at once, and rests when nothing is left', async () => {
  const prune = job('prune', 20, 60_000);
  start(prune);
  await vi.advanceTimersByTimeAsync(30_000);
  expect([prune.left, prune.done.length]).toEqual([0, 21]);
  prune.left = 1;
  await vi.advanceTimersByTimeAsync(20_000);
  expect(prune.left).toBe(1);
  await vi.advanceTimersByTimeAsync(60_000);
  expect(prune.left).toBe(0);
});

it('between two passes turns have twice the time that the slices took', async () => {
  const prune = job('prune', 20);
  start(prune);
  await vi.advanceTimersByTimeAsync(30_000);
  const rests = prune.done.slice(1, 20).map((at, i) => at - prune.done[i]! - 5);
  expect(Math.min(...rests)).toBeGreaterThanOrEqual(10);
});

it('after a turn that took long as many slices follow as have half its time', async () => {
  const prune = job('prune', 1_000);
  start(prune);
  await vi.advanceTimersByTimeAsync(0);
  const before = prune.done.length;
  take(150);
  await vi.advanceTimersByTimeAsync(10);
  expect(prune.done.length - before).toBeGreaterThanOrEqual(150 / 2 / 5);
  expect(prune.done.length - before).toBeLessThanOrEqual(160 / 2 / 5 + 1);
});

it.each([
  ['in which nothing was due is no turn', 0, 1],
  ['for which the process was stopped allows 100 ms', 75_000, 100 / 5],
])('a time %s', async (_what, stoppedMs, slices) => {
  const prune = job('prune', 0, 10_000);
  start(prune);
  await vi.advanceTimersByTimeAsync(9_999);
  prune.done.length = 0;
  prune.left = 1_000;
  take(stoppedMs);
  await vi.advanceTimersByTimeAsync(1);
  expect(prune.done.length).toBe(slices);
});

it('jobs that have more to do take turns', async () => {
  const [a, b] = [job('a', 1_000), job('b', 1_000)];
  start(a, b);
  await vi.advanceTimersByTimeAsync(1_000);
  expect(a.done.length).toBeGreaterThan(10);
  expect(Math.abs(a.done.length - b.done.length)).toBeLessThanOrEqual(1);
});

it('one that runs once does so until nothing is left', async () => {
  const once = job('once', 3, Number.POSITIVE_INFINITY);
  start(once);
  await vi.advanceTimersByTimeAsync(10_000_000);
  expect(once.done.length).toBe(4);
});

it.each([
  ['for want of room', new StorageFull(undefined)],
  ['by the file system', Object.assign(new Error('EACCES'), { code: 'EACCES', syscall: 'unlink' })],
])('a slice that fails %s is told, and tried again after a rest', async (_how, error) => {
  let tries = 0;
  const slice = () => {
    if (++tries === 1) throw error;
    return false;
  };
  start({ name: 'sweep', everyMs: 60_000, slice });
  await vi.advanceTimersByTimeAsync(9_000);
  expect([tries, failed]).toEqual([1, [['sweep', error]]]);
  await vi.advanceTimersByTimeAsync(2_000);
  expect([tries, fatal]).toEqual([2, []]);
});

it('a broken invariant is fatal, and nothing is written any more', async () => {
  const error = new Error('invariant: x');
  const other = job('other', 1_000);
  start({ name: 'prune', everyMs: 1, slice: () => Promise.reject(error) }, other);
  await vi.advanceTimersByTimeAsync(5_000);
  expect([fatal, failed, other.done.length]).toEqual([[error], [], 0]);
});

it('a stop waits for the slice under way, and no other begins', async () => {
  let finish = (): void => undefined;
  const slice = () => new Promise<boolean>((resolve) => (finish = () => resolve(true)));
  const other = job('other', 10);
  const jobs = start({ name: 'slow', everyMs: 1, slice }, other);
  await vi.advanceTimersByTimeAsync(0);
  let stopped = false;
  const stopping = jobs.stop().then(() => (stopped = true));
  await vi.advanceTimersByTimeAsync(10);
  expect(stopped).toBe(false);
  finish();
  await stopping;
  await vi.advanceTimersByTimeAsync(10_000);
  expect(other.done).toEqual([]);
});
