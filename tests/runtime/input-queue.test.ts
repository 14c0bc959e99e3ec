/** Inputs wait in their session's queue and are taken in turn: by items and bytes, in parts, within bounds of memory. */
import { packPayload } from '@rma/protocol/payload';
import type { Input, MessageInput } from '@rma/server/core/inputs';
import { InputQueue, MAX_FLOW_BYTES, MAX_QUEUED_BYTES } from '@rma/server/runtime/input-queue';
import { describe, expect, it } from 'vitest';
import { machine, taskId } from '../core/peer.js';

const NULL = packPayload(null);

const submit = (session: number, tasks: number, first = 0): MessageInput => ({
  type: 'message',
  session,
  message: {
    type: 'submit',
    tasks: Array.from({ length: tasks }, (_, i) => ({ id: taskId(first + i), kind: 'echo', input: NULL })),
  },
});
const drain = (session: number): MessageInput => ({
  type: 'message',
  session,
  message: { type: 'drain', draining: true },
});
const closed = (session: number): Input => ({ type: 'closed', session, reason: 'gone' });
const hello = (session: number): Input => ({
  type: 'hello',
  session,
  address: '',
  token: { id: 't-1', role: 'worker' },
  message: {
    type: 'hello',
    protocol: 1,
    agent: { name: 'test', version: '0' },
    worker: {
      key: 'a-key-of-16-chars',
      hardware: machine(3),
      available: [],
      services: [],
      running: [],
      finished: [],
    },
  },
});
const idsOf = (input: Input): string[] =>
  input.type === 'message' && input.message.type === 'submit' ? input.message.tasks.map(({ id }) => id) : [];
const sessionOf = (input: Input) => ('session' in input ? input.session : 0);
const itemsBy = (inputs: Iterable<Input>): Map<number, number> => {
  const items = new Map<number, number>();
  for (const input of inputs) {
    items.set(sessionOf(input), (items.get(sessionOf(input)) ?? 0) + Math.max(1, idsOf(input).length));
  }
  return items;
};

describe('a turn', () => {
  it("takes from each session in turn: another's message does not wait behind a thousand tasks", () => {
    const queue = new InputQueue();
    for (let i = 0; i < 50; i++) queue.push(submit(1, 1_000, i * 1_000), 60_000, 1);
    queue.push(drain(2), 20, 2);
    const taken = [...queue.take(1_024)];
    const before = taken.slice(
      0,
      taken.findIndex((input) => sessionOf(input) === 2),
    );
    expect(itemsBy(before).get(1)).toBeLessThanOrEqual(128);
  });

  it('is bounded by items, whatever the messages hold', () => {
    const queue = new InputQueue();
    for (let i = 0; i < 10; i++) queue.push(submit(1, 1_000, i * 1_000), 60_000, 1);
    const items = itemsBy(queue.take(1_024)).get(1) ?? 0;
    expect(items).toBeGreaterThan(900);
    expect(items).toBeLessThanOrEqual(1_024 + 64);
    expect(queue.size).toBeGreaterThan(0);
  });

  it('is bounded by bytes, too', () => {
    const queue = new InputQueue();
    for (let i = 0; i < 40; i++) queue.push(submit(1, 1, i), 65_536, 1);
    expect([...queue.take(1_024)]).toHaveLength(16);
  });

  it('takes no more hellos of workers than it can answer soon', () => {
    const queue = new InputQueue();
    for (let session = 1; session <= 1_000; session++) queue.push(hello(session), 600, session);
    expect([...queue.take(1_024)].length).toBeLessThanOrEqual(128);
  });

  it('goes to the only session that has something', () => {
    const queue = new InputQueue();
    for (let i = 0; i < 5_000; i++) queue.push(drain(7), 20, 7);
    expect([...queue.take(1_024)].length).toBeGreaterThan(1_000);
  });

  it('shares by work: who sends large messages gets as much as who sends small ones', () => {
    const queue = new InputQueue();
    for (let i = 0; i < 50; i++) queue.push(submit(1, 1_000, i * 1_000), 60_000, 1);
    for (let i = 0; i < 20_000; i++) queue.push(submit(2, 1, 60_000 + i), 60, 2);
    const items = itemsBy(queue.take(4_096));
    expect(items.get(1)! / items.get(2)!).toBeGreaterThan(0.5);
    // A message costs something itself.
    expect(items.get(1)! / items.get(2)!).toBeLessThan(2.5);
  });

  it('begins with what belongs to no session, and keeps the order within one', () => {
    const queue = new InputQueue();
    for (let i = 0; i < 3; i++) queue.push(submit(1, 100, i * 100), 6_000, 1);
    queue.push(closed(1), 0, 1);
    queue.push({ type: 'stopping' }, 0, undefined);
    const taken = [...queue.take(10_000)];
    expect(taken.at(0)).toEqual({ type: 'stopping' });
    expect(taken.at(-1)).toEqual(closed(1));
    expect(taken.flatMap(idsOf)).toEqual(Array.from({ length: 300 }, (_, i) => taskId(i)));
    expect(queue.size).toBe(0);
  });

  it('leaves what is not taken of it', () => {
    const queue = new InputQueue();
    for (let i = 0; i < 10; i++) queue.push(drain(1 + (i % 2)), 20, 1 + (i % 2));
    for (const _ of queue.take(1_024)) break;
    expect(queue.size).toBe(9);
    expect([...queue.take(1_024)]).toHaveLength(9);
  });
});

it('a message that names a task a thousand times is one of one task', () => {
  const queue = new InputQueue();
  const watch = { type: 'watch', tasks: Array.from({ length: 1_000 }, () => ({ task: taskId(1) })) } as const;
  queue.push({ type: 'message', session: 1, message: watch }, 50_000, 1);
  const tasks = Array.from({ length: 1_000 }, () => ({ id: taskId(1), kind: 'echo', input: NULL }));
  queue.push({ type: 'message', session: 1, message: { type: 'submit', tasks } }, 61_000, 1);
  const messages = [...queue.take(10_000)].map((input) => (input as MessageInput).message);
  expect(messages).toEqual([
    { type: 'watch', tasks: [{ task: taskId(1) }] },
    { type: 'submit', tasks: [tasks[0]] },
  ]);
});

it('messages are cut into parts where each item is answered for itself, and only there', () => {
  const queue = new InputQueue();
  queue.push(submit(1, 1_000), 60_000, 1);
  expect([...queue.take(10_000)].map((part) => idsOf(part).length)).toEqual([...Array(15).fill(64), 40]);
  const tasks = Array.from({ length: 1_000 }, (_, i) => taskId(i));
  queue.push({ type: 'message', session: 1, message: { type: 'cancels', ref: 1, tasks } }, 60_000, 1);
  expect([...queue.take(10_000)]).toHaveLength(1);
});

describe('memory', () => {
  it("is bounded for a session, and given back when its message's last part is taken", () => {
    const queue = new InputQueue();
    let pushed = 0;
    for (; queue.admits(1, 1_000_000); pushed++) queue.push(submit(1, 1_000, pushed * 1_000), 1_000_000, 1);
    expect(queue.bytes).toBeLessThanOrEqual(MAX_FLOW_BYTES);
    expect(pushed).toBe(4);
    expect(queue.admits(2, 1_000_000)).toBe(true);
    expect([...queue.take(Number.POSITIVE_INFINITY)]).toHaveLength(4 * 16);
    expect(queue.bytes).toBe(0);
    expect(queue.takeTaken()).toEqual(new Map([[1, { messages: 4, bytes: 4_000_000 }]]));
    expect(queue.takeTaken().size).toBe(0);
  });

  it('is bounded over all, and leaves each session a share', () => {
    const queue = new InputQueue();
    for (let session = 1; session <= 1_000; session++) {
      while (queue.admits(session, 32_768)) queue.push(submit(session, 1), 32_768, session);
    }
    expect(queue.bytes).toBeLessThanOrEqual(MAX_QUEUED_BYTES + 1_000 * 65_536);
    expect(queue.admits(2_000, 32_768)).toBe(true);
  });

  it('is not held, under pressure, for a session that has ended', () => {
    const queue = new InputQueue();
    for (let session = 1; session <= 12; session++) {
      for (let i = 0; i < 4; i++) queue.push(submit(session, 1), 1_000_000, session);
    }
    const before = queue.bytes;
    queue.push(closed(1), 0, 1);
    expect(queue.bytes).toBe(before - 4_000_000);
    const ofFirst = [...queue.take(Number.POSITIVE_INFINITY)].filter((input) => sessionOf(input) === 1);
    expect(ofFirst).toEqual([closed(1)]);
  });
});
