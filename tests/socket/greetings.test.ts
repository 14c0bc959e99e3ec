/** Who has not said hello: bounded in number and time, without a limit on dialling that would hit those who say it at once. */
import type { Connection } from '@rma/server/socket/connection';
import { Greetings, MAX_LINGERING } from '@rma/server/socket/greetings';
import { expect, it } from 'vitest';
import { usePool } from '../support/pool.js';

const PER_ADDRESS = 8;
const connection = (remoteAddress: string, openedAtMs: number) =>
  ({ socket: { remoteAddress }, openedAtMs }) as unknown as Connection;

it('lets thousands of one address dial at once, and greet', () => {
  const greetings = new Greetings(PER_ADDRESS);
  const office = Array.from({ length: 8_000 }, () => connection('office', 1_000));
  for (const one of office) expect(greetings.add(one)).toBeUndefined();
  expect(greetings.excess(2_500, 0)).toEqual([]);
  for (const one of office) greetings.remove(one);
  expect(greetings.size).toBe(0);
  expect(greetings.excess(60_000, 0)).toEqual([]);
});

it('has those make room that linger beyond an address’s share, the oldest first', () => {
  const greetings = new Greetings(PER_ADDRESS);
  const lingering = Array.from({ length: PER_ADDRESS + 3 }, (_, i) => connection('idle', i));
  for (const one of lingering) greetings.add(one);
  greetings.add(connection('idle', 9_000));
  expect(greetings.excess(10_000, 0)).toEqual(lingering.slice(0, 3));
});

it('bounds those that linger over all addresses: what they may hold half-sent is bounded by their number', () => {
  const greetings = new Greetings(PER_ADDRESS);
  for (let i = 0; i < 300; i++) greetings.add(connection(`address ${i % 50}`, i));
  for (const one of greetings.excess(10_000, 0)) greetings.remove(one);
  expect(greetings.size).toBe(MAX_LINGERING);
});

it('does not count the time in which this side was late, and may not have read a hello that had come', () => {
  const greetings = new Greetings(0);
  greetings.add(connection('office', 1_000));
  expect(greetings.excess(9_000, 7_000)).toEqual([]);
  expect(greetings.excess(9_500, 0)).toEqual([]);
  expect(greetings.excess(10_000, 0)).toHaveLength(1);
});

it('when full, has the oldest of the busiest address go, not who comes', () => {
  const greetings = new Greetings(PER_ADDRESS);
  const flood = Array.from({ length: 8_191 }, (_, i) => connection('flood', i));
  for (const one of flood) greetings.add(one);
  expect(greetings.add(connection('other', 9_000))).toBeUndefined();
  expect(greetings.add(connection('other', 9_001))).toBe(flood[0]);
});

it('answers failed hellos of an address up to a rate, and counts no other', () => {
  const greetings = new Greetings(PER_ADDRESS);
  const answered = (address: string, nowMs: number, hellos: number) =>
    Array.from({ length: hellos }, () => greetings.failed(address, nowMs)).filter(Boolean).length;
  expect(answered('a', 20_000, 100)).toBe(64);
  expect(answered('b', 20_000, 10)).toBe(10);
  expect(answered('a', 31_000, 10)).toBe(10);
});

const pool = usePool();

it('who fails again and again does not keep a neighbour at the same address from getting in', async () => {
  const guess = async () => {
    const peer = await pool.dial();
    peer.send({ type: 'hello', protocol: 1, agent: { name: 'guess', version: '1' }, token: 'wrong' });
    await peer.closed;
    return peer.inbox.length;
  };
  const answers: number[] = [];
  for (let i = 0; i < 8; i++) answers.push(...(await Promise.all(Array.from({ length: 10 }, guess))));
  expect(answers.filter((messages) => messages === 0)).toHaveLength(80 - 64);
  const peer = await pool.dial();
  expect(await peer.hello({ token: pool.coordinator.token('client') })).toMatchObject({ role: 'client' });
});
