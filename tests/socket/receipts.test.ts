/** Receipts wait a moment for what leaves anyway; nobody who could act on one waits longer than that. */
import { makeOutgoing, type Outgoing } from '@rma/server/core/effects';
import { Receipts } from '@rma/server/socket/receipts';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';

let receipts: Receipts;
/** What was told after a wait, in order. */
let told: { session: number; outgoing: Outgoing }[];
beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  told = [];
  receipts = new Receipts((session, outgoing) => told.push({ session, outgoing }));
});
afterEach(() => {
  expect(vi.getTimerCount()).toBe(0);
  vi.useRealTimers();
});

const of = (part: Partial<Outgoing>): Outgoing => ({ ...makeOutgoing(), ...part });
const acknowledged = (task: string) => of({ acknowledgedResults: [{ task, attempt: 1 }] });
const dispatch = (task: string) => of({ dispatches: [{ task, attempt: 1 }] as unknown as Outgoing['dispatches'] });

it('an acknowledged result leaves with the next dispatch', () => {
  expect(receipts.pass(1, acknowledged('t-1'))).toBeUndefined();
  expect(receipts.pass(1, acknowledged('t-2'))).toBeUndefined();
  const now = receipts.pass(1, dispatch('t-3'));
  expect(now?.acknowledgedResults.map(({ task }) => task)).toEqual(['t-1', 't-2']);
  expect(now?.dispatches).toHaveLength(1);
  vi.runAllTimers();
  expect(told).toEqual([]);
});

it('an acknowledged result that nothing follows leaves by itself', () => {
  expect(receipts.pass(1, acknowledged('t-1'))).toBeUndefined();
  vi.advanceTimersByTime(3);
  expect(told).toMatchObject([{ session: 1, outgoing: { acknowledgedResults: [{ task: 't-1' }] } }]);
});

it.each<[string, Partial<Outgoing>]>([
  ['an accepted task', { accepted: ['t-2'] }],
  ['an error', { errors: [{ error: { kind: 'invalid', message: '' } }] }],
  ['a reply', { replies: [{ ref: 1, result: null }] }],
  [
    'a refusal',
    { refused: [{ task: 't-2', error: { kind: 'invalid', message: '' } }] as unknown as Outgoing['refused'] },
  ],
  ['a change', { changed: [{ task: 't-1' }] as unknown as Outgoing['changed'] }],
  ['a stop', { stops: [{ task: 't-1', attempt: 1, reason: '' }] }],
  ['a close', { close: { name: 'restart', message: '' } }],
])('%s takes along what waits', (_, part) => {
  expect(receipts.pass(1, acknowledged('t-1'))).toBeUndefined();
  expect(receipts.pass(1, of(part))).toMatchObject({ ...part, acknowledgedResults: [{ task: 't-1' }] });
  vi.runAllTimers();
  expect(told).toEqual([]);
});

it('flushing tells all that waits, and a session that closed nothing', () => {
  receipts.pass(1, acknowledged('t-1'));
  receipts.pass(2, acknowledged('t-2'));
  receipts.closed(1);
  receipts.flush();
  expect(told.map(({ session }) => session)).toEqual([2]);
});
