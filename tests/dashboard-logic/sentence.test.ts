/** Every event type has its own sentence, which is readable whatever data the event has. */
import { EVENT_TYPES, type EventType, type PoolEvent } from '@rma/protocol/event';
import { describe, expect, it } from 'vitest';
import { GROUP_TYPES, groupOf, plainSentence, sentenceOf } from '../../dashboard/src/lib/events/sentence.js';
import { adviceFor } from '../../dashboard/src/lib/tasks/advice.js';
import { timelineEntry } from '../../dashboard/src/lib/workers/timeline.js';

const TASK = '01902f7e-1111-7000-8000-0000deadbeef';
const names = { worker: (id: string) => (id === 'w-3' ? 'attic' : undefined) };

function event(type: EventType, subject?: string, data?: Record<string, unknown>): PoolEvent {
  return { seq: 1, at: 0, type, ...(subject === undefined ? {} : { subject }), ...(data ? { data } : {}) };
}

/** Each type with example data, and its sentence. */
const EXAMPLES: Record<
  EventType,
  [subject: string | undefined, data: Record<string, unknown> | undefined, text: string]
> = {
  'coordinator.started': [undefined, { version: '0.1.0', transport: 'ws' }, 'The coordinator started, version 0.1.0'],
  'coordinator.stopped': [undefined, undefined, 'The coordinator shut down cleanly'],
  'worker.joined': [
    'w-3',
    { name: 'attic', tier: 2, reasons: [], owner: 'ada', trust: 'community' },
    'attic joined the pool (tier 2), lent by ada',
  ],
  'worker.online': ['w-3', { name: 'attic', tier: 2 }, 'attic is online'],
  'worker.offline': ['w-3', { reason: 'silent for 8 s' }, 'attic went offline: silent for 8 s'],
  'worker.lost': ['w-3', { attempts: 2 }, 'attic did not come back: 2 attempts lost'],
  'worker.assigned': [
    'w-3',
    { tier: 2, reasons: [], workloads: ['ocr', 'ner', 'rag', 'embed'] },
    'attic was assigned ocr, ner, rag and 1 more (tier 2)',
  ],
  'worker.draining': ['w-3', { by: 'ada' }, 'attic was drained by ada: it takes no new tasks'],
  'worker.pinned': ['w-3', { tier: 1, by: 'ada' }, 'attic was pinned to tier 1 by ada'],
  'worker.revoked': ['w-3', { by: 'ada' }, 'attic was revoked by ada'],
  'service.changed': [
    'w-3',
    { service: 'ocr', state: 'unhealthy', kinds: ['ocr.read'], reason: 'no answer' },
    'ocr on attic is unhealthy: no answer',
  ],
  'task.submitted': [TASK, { kind: 'ocr.read', priority: 0 }, 'An ocr.read task was submitted: task …deadbeef'],
  'task.dispatched': [TASK, { attempt: 2, worker: 'w-3' }, 'Task …deadbeef started on attic (attempt 2)'],
  'task.requeued': [
    TASK,
    { attempt: 1, worker: 'w-3', code: 'lost' },
    'Task …deadbeef was queued again: its attempt on attic was lost with its worker',
  ],
  'task.ended': [
    TASK,
    { state: 'failed', attempt: 3, worker: 'w-3', code: 'timeout' },
    'Task …deadbeef failed on attic: timeout',
  ],
  'token.created': [
    't-1',
    { role: 'admin', name: 'laptop', by: 'ada' },
    'An admin token was created for laptop by ada',
  ],
  'token.revoked': ['t-1', { by: 'ada' }, 'A token was revoked by ada'],
  'storage.full': [undefined, undefined, "The coordinator's disk is full: new tasks are refused"],
  'storage.recovered': [undefined, undefined, 'The coordinator has room on its disk again'],
  'worker.forgotten': [
    'w-3',
    { name: 'attic', reason: 'not seen for 30 days' },
    'attic is no longer kept: not seen for 30 days',
  ],
  'worker.left': ['w-3', undefined, 'attic left the pool for good, as its donor asked'],
  'service.pulling': [
    'w-3',
    { service: 'vllm', bytes: 1_048_576, totalBytes: 104_857_600 },
    'attic pulls the image of vllm: 1 MiB of 100 MiB',
  ],
  'worker.policy': ['w-3', { paused: true, reason: 'in use' }, "attic is unavailable by its donor's policy: in use"],
  'workload.bound': ['w-3', { workload: 'postgres' }, 'postgres keeps its data on attic from now on'],
  'workload.released': [
    'w-3',
    { workload: 'postgres', reason: 'its worker was revoked' },
    'postgres is no longer bound to attic: its worker was revoked',
  ],
  'catalog.changed': [
    undefined,
    { source: 'catalog.yaml', workloads: ['a', 'b'] },
    'A new catalogue is in use, with 2 workloads',
  ],
  'catalog.refused': [
    undefined,
    { source: 'catalog.yaml', message: 'line 3: no such tier' },
    'A changed catalogue has errors and was rejected: line 3: no such tier',
  ],
  'worker.resumed': ['w-3', { by: 'ada' }, 'attic was resumed by ada: it takes tasks again'],
  'worker.renamed': ['w-3', { name: 'attic', before: 'cellar', by: 'ada' }, 'cellar is now called attic by ada'],
  'worker.labelled': [
    'w-3',
    { labels: { region: 'eu', gpu: '' }, by: 'ada' },
    'attic was labelled region=eu, gpu by ada',
  ],
  'task.cancelled': [TASK, { owner: 'c-1', by: 'ada' }, 'Task …deadbeef was cancelled by ada'],
  'task.retried': [
    TASK,
    { as: '01902f7e-2222-7000-8000-00000badcafe', owner: 'c-1', by: 'ada' },
    'Task …deadbeef was submitted again as task …0badcafe by ada',
  ],
  'session.opened': ['t-1', { role: 'admin', by: 'laptop' }, 'laptop signed in as an admin'],
  'session.closed': ['t-1', { role: 'client', by: 'laptop' }, 'laptop signed out as a client'],
};

describe('the sentence of an event', () => {
  it.each(Object.keys(EVENT_TYPES) as EventType[])('of %s is plain English', (type) => {
    const [subject, data, text] = EXAMPLES[type];
    expect(plainSentence(event(type, subject, data), names)).toBe(text);
  });

  it.each(Object.keys(EVENT_TYPES) as EventType[])('reads for %s without any of its data', (type) => {
    const bare = plainSentence(event(type));
    expect(bare).toMatch(/^[A-Z]/);
    expect(bare).not.toMatch(/undefined|null|NaN|\[object|: $|\s$/);
    // Malformed data is ignored, too.
    const odd = Object.fromEntries(
      Object.keys(EXAMPLES[type][1] ?? {}).map((field) => [field, { of: ['another shape'] }]),
    );
    expect(plainSentence(event(type, 'x', odd))).not.toMatch(/undefined|\[object/);
  });

  it('leads to the task and the worker that it is about', () => {
    const { parts } = sentenceOf(event('task.dispatched', TASK, { attempt: 1, worker: 'w-3' }), names);
    expect(parts).toEqual([
      { text: 'Task …deadbeef', href: `/tasks/${TASK}` },
      ' started on ',
      { text: 'attic', href: '/workers/w-3', isForeign: true },
    ]);
  });

  it('keeps what strangers wrote as text of its own, and out of the path of a link', () => {
    const { parts } = sentenceOf(event('worker.online', '../x?<img>', { name: '<img onerror=alert(1)>' }));
    expect(parts[0]).toEqual({
      text: '<img onerror=alert(1)>',
      href: '/workers/..%2Fx%3F%3Cimg%3E',
      isForeign: true,
    });
  });

  it('shows an unknown type by its name, even that of an inherited property', () => {
    const later = { seq: 1, at: 0, type: 'worker.promoted', subject: 'w-3' } as unknown as PoolEvent;
    expect(plainSentence(later)).toBe('worker.promoted: w-3');
    expect(sentenceOf({ ...later, type: 'constructor' } as unknown as PoolEvent).tone).toBe('plain');
  });

  it.each(['constructor', 'toString', '__proto__'])("shows a worker's code %s as it is", (code) => {
    expect(plainSentence(event('task.requeued', TASK, { code, worker: 'w-3', attempt: 1 }), names)).toBe(
      `Task …deadbeef was queued again: its attempt on attic ended with ${code}`,
    );
    expect(sentenceOf(event('task.ended', TASK, { state: code })).tone).toBe('plain');
    expect(adviceFor(code)).toBeUndefined();
    expect(timelineEntry(code)).toEqual({ words: code, tone: 'plain' });
  });

  it('has a tone for good and bad news', () => {
    const toneOf = (type: EventType, data?: Record<string, unknown>) => sentenceOf(event(type, 'x', data)).tone;
    expect(toneOf('task.ended', { state: 'failed' })).toBe('bad');
    expect(toneOf('task.ended', { state: 'succeeded' })).toBe('ok');
    expect(toneOf('service.changed', { state: 'unhealthy' })).toBe('bad');
    expect(toneOf('worker.lost')).toBe('bad');
  });
});

it('all that can happen to a worker has words for its own page', () => {
  // The timeline has all of them but the assignment, which the page shows anyway.
  const types = Object.keys(EVENT_TYPES).filter((type) => type.startsWith('worker.') && type !== 'worker.assigned');
  expect(types.filter((type) => timelineEntry(type).words === type)).toEqual([]);
});

it('a failure of a known family has advice', () => {
  expect(adviceFor('input.damaged')).toMatch(/Edit and resubmit/);
  expect(adviceFor('image.unavailable')).toMatch(/could not be pulled/);
  expect(['', 'inputs', 'x.input.damaged', 'TIMEOUT'].map(adviceFor)).toEqual([
    undefined,
    undefined,
    undefined,
    undefined,
  ]);
});

describe('the groups of events', () => {
  it('hold every type, each in one group', () => {
    for (const type of Object.keys(EVENT_TYPES)) {
      const groups = Object.values(GROUP_TYPES).filter((starts) => starts.some((start) => type.startsWith(start)));
      expect(groups, type).toHaveLength(1);
      expect(groupOf(type), type).toBeDefined();
    }
    expect(groupOf('weather.changed')).toBeUndefined();
  });
});
