/** The topic `recent`: the newest of very many events, and nothing rare lost among them. */
import type { EventType } from '@rma/protocol/event';
import { type EventRecord, makeEffects } from '@rma/server/core/effects';
import { makeState } from '@rma/server/core/state';
import { RecentTopic } from '@rma/server/topics/recent';
import { expect, it } from 'vitest';

const state = makeState();
const admin = { role: 'admin', subject: 'a' };
const empty = { history: () => Promise.resolve({ events: [] as EventRecord[] }) };
let seq = 0;

function anEvent(type: EventType, owner = 'c-1'): EventRecord {
  seq += 1;
  const isOfTask = type.startsWith('task.');
  return {
    seq,
    at: seq,
    type,
    subject: `s-${seq}`,
    owner: isOfTask ? owner : '',
    data: null,
    task: isOfTask ? seq : 0,
  };
}

function see(topic: RecentTopic, ...events: EventRecord[]): void {
  const effects = makeEffects();
  effects.persist.events.push(...events);
  topic.observe({ effects, state, wallMs: 0 });
}

it('shows a few of very many, counts those left out, and keeps rare ones', () => {
  const topic = new RecentTopic({}, admin, empty);
  see(topic, anEvent('worker.lost'));
  for (let i = 0; i < 1_000; i++)
    see(topic, anEvent('task.submitted'), anEvent('task.dispatched'), anEvent('task.ended'));
  const change = topic.takeChange(state, 0)!;
  expect(change.events[0]?.type).toBe('worker.lost');
  expect(change.events.at(-1)?.seq).toBe(seq);
  expect(change.events.length).toBeLessThan(40);
  expect(change.events.length + change.omitted).toBe(3_001);
  expect(topic.takeChange(state, 0)).toBeUndefined();
});

it('shows the types that were asked for alone, by name or by prefix', () => {
  const topic = new RecentTopic({ types: ['worker.', 'task.ended'] }, admin, empty);
  see(topic, anEvent('task.submitted'), anEvent('task.ended'), anEvent('worker.online'), anEvent('storage.full'));
  expect(topic.takeChange(state, 0)!.events.map(({ type }) => type)).toEqual(['task.ended', 'worker.online']);
});

it('filters by subject, and by events that an actor caused', () => {
  const about = new RecentTopic({ subject: 'w-1', types: ['worker.'] }, admin, empty);
  const audit = new RecentTopic({ audit: true }, admin, empty);
  const pinned = { ...anEvent('worker.pinned'), subject: 'w-1', data: { by: 'ada' } };
  const events = [pinned, { ...anEvent('task.ended'), subject: 'w-1' }, anEvent('worker.pinned')];
  for (const topic of [about, audit]) see(topic, ...events);
  expect(about.takeChange(state, 0)!.events).toMatchObject([{ seq: pinned.seq }]);
  expect(audit.takeChange(state, 0)!.events).toMatchObject([{ seq: pinned.seq, data: { by: 'ada' } }]);
  expect(new Set([about.key, audit.key, new RecentTopic({}, admin, empty).key]).size).toBe(3);
});

it('shows a client its own tasks and no others', () => {
  const topic = new RecentTopic({}, { role: 'client', subject: 'c-1' }, empty);
  see(topic, anEvent('task.submitted', 'c-1'), anEvent('task.submitted', 'c-2'), anEvent('worker.pinned'));
  const change = topic.takeChange(state, 0)!;
  expect(change.events).toHaveLength(1);
  expect(change.omitted).toBe(0);
  see(topic, anEvent('task.submitted', 'c-2'));
  expect(topic.takeChange(state, 0)).toBeUndefined();
});

it('merges what waits for a slow reader without growing', () => {
  const topic = new RecentTopic({}, admin, empty);
  see(topic, anEvent('task.submitted'));
  let merged = topic.takeChange(state, 0)!;
  for (let i = 0; i < 100; i++) {
    for (let n = 0; n < 20; n++) see(topic, anEvent('task.submitted'));
    merged = topic.merge(merged, topic.takeChange(state, 0)!);
  }
  expect(merged.events.length).toBeLessThanOrEqual(60);
  expect(merged.events.length + merged.omitted).toBe(2_001);
  expect(merged.events.at(-1)?.seq).toBe(seq);
});

it('has a key of its own for each who sees something else', () => {
  const keys = [
    new RecentTopic({}, admin, empty).key,
    new RecentTopic({ types: ['worker.', 'task.'] }, admin, empty).key,
    new RecentTopic({}, { role: 'client', subject: 'c-1' }, empty).key,
    new RecentTopic({}, { role: 'client', subject: 'c-2' }, empty).key,
  ];
  expect(new Set(keys).size).toBe(4);
  expect(new RecentTopic({ types: ['task.', 'worker.'] }, admin, empty).key).toBe(keys[1]);
});
