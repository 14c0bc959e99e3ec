/** Events: each once, in order, across reconnects and slow readers. */
import { type Client, ClosedError, connect, type PoolEvent } from '@rma/client';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { type PeerSession, PoolPeer } from './support/pool-peer.js';

let peer: PoolPeer;
let client: Client;

beforeEach(async () => {
  peer = await PoolPeer.start();
  client = connect({ url: peer.url, token: 'a token' });
});

afterEach(async () => {
  await client.close();
  await peer.empty();
  await peer.stop();
});

const event = (seq: number): PoolEvent => ({ seq, at: 1_000, type: 'task.submitted' });
const events = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, i) => event(from + i));

async function page(session: PeerSession, since: number, from: number, to: number): Promise<void> {
  const { ref, query } = await session.next('query');
  expect(query).toMatchObject({ what: 'events', since });
  session.send({ type: 'reply', ref, result: { events: events(from, to), last: to } });
}

async function take(iterator: AsyncIterator<PoolEvent>, count: number): Promise<number[]> {
  const seen: number[] = [];
  while (seen.length < count) seen.push((await iterator.next()).value.seq);
  return seen;
}

it('are listed page by page and end where the list ends', async () => {
  const session = await peer.session();
  const reader = client.events({ since: 10 });
  const seen = take(reader, 5);
  await page(session, 10, 11, 13);
  await page(session, 13, 14, 15);
  expect(await seen).toEqual([11, 12, 13, 14, 15]);
  const end = reader.next();
  await page(session, 15, 16, 15);
  expect((await end).done).toBe(true);
});

it('are listed beyond a page that holds nothing for this client', async () => {
  const session = await peer.session();
  const seen = take(client.events(), 1);
  const { ref } = await session.next('query');
  session.send({ type: 'reply', ref, result: { events: [], last: 1_000 } });
  await page(session, 1_000, 1_001, 1_001);
  expect(await seen).toEqual([1_001]);
});

it('are followed from a number: first those that are stored, then those that happen', async () => {
  const session = await peer.session();
  const reader = client.events({ since: 3, follow: true });
  const seen = take(reader, 6);
  const { ref, since } = await session.next('subscribe');
  expect(since).toBeUndefined();
  session.send({ type: 'reply', ref, result: { last: 6 } }, { type: 'events', events: [event(7)] });
  await page(session, 3, 4, 7);
  await page(session, 7, 8, 7);
  session.send({ type: 'events', events: [event(8), event(9)] });
  expect(await seen).toEqual([4, 5, 6, 7, 8, 9]);
  await reader.return();
  await session.next('unsubscribe');
});

it('go on after a reconnect where they stopped, for all readers over one subscription', async () => {
  const first = await peer.session();
  const one = client.events({ follow: true });
  const early = take(one, 2);
  const { ref } = await first.next('subscribe');
  first.send({ type: 'reply', ref, result: { last: 5 } }, { type: 'events', events: events(6, 7) });
  expect(await early).toEqual([6, 7]);
  const two = client.events({ follow: true });
  const late = take(two, 2);
  const goOn = take(one, 2);
  first.kill();
  const second = await peer.session();
  const again = await second.next('subscribe');
  expect(again.since).toBe(7);
  second.send({ type: 'reply', ref: again.ref, result: { last: 9 } }, { type: 'events', events: events(8, 9) });
  expect(await late).toEqual([8, 9]);
  expect(await goOn).toEqual([8, 9]);
});

it('are fetched by a reader who was too slow to take them live', async () => {
  const session = await peer.session();
  const reader = client.events({ follow: true });
  const seen = take(reader, 1);
  const { ref } = await session.next('subscribe');
  session.send({ type: 'reply', ref, result: { last: 0 } }, { type: 'events', events: [event(1)] });
  expect(await seen).toEqual([1]);
  for (let from = 2; from <= 5_001; from += 1_000) session.send({ type: 'events', events: events(from, from + 999) });
  // What was sent is received once a later question is answered.
  const stats = client.stats();
  const { ref: statsRef } = await session.next('query');
  session.send({ type: 'reply', ref: statsRef, result: {} });
  await stats;
  const rest = take(reader, 5_001);
  const again = await session.next('subscribe');
  session.send({ type: 'reply', ref: again.ref, result: { last: 5_001 } });
  await page(session, 4_097, 4_098, 5_001);
  await page(session, 5_001, 5_002, 5_001);
  session.send({ type: 'events', events: [event(5_002)] });
  const all = await rest;
  expect(all).toEqual(Array.from({ length: 5_001 }, (_, i) => i + 2));
});

it('end with the reason where the client is closed', async () => {
  await peer.session();
  const next = client.events({ follow: true }).next();
  await client.ready();
  await Promise.all([client.close(), expect(next).rejects.toBeInstanceOf(ClosedError)]);
});

it('end at once where a signal says so, also while nothing happens', async () => {
  const session = await peer.session();
  const abort = new AbortController();
  const waiting = client.events({ follow: true, signal: abort.signal }).next();
  const { ref } = await session.next('subscribe');
  session.send({ type: 'reply', ref, result: { last: 7 } });
  abort.abort();
  expect(await waiting).toEqual({ value: undefined, done: true });
  await session.next('unsubscribe');
});
