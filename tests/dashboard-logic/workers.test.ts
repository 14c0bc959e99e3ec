/** The worker list: sorting, filters, and the consequences of actions. */
import type { LiveLoad } from '@rma/client';
import { Labels, Name } from '@rma/protocol/task';
import type { WorkerRow } from '@rma/protocol/topic';
import { Value } from 'typebox/value';
import { describe, expect, it } from 'vitest';
import { timeColumns } from '../../dashboard/src/lib/charts/time-columns.js';
import { sortWorkers } from '../../dashboard/src/lib/workers/columns.js';
import {
  drainConsequences,
  resumeConsequences,
  revokeConsequences,
} from '../../dashboard/src/lib/workers/consequences.js';
import { DEFAULT_VIEW, fits, readView, type WorkerFilter, writeView } from '../../dashboard/src/lib/workers/filter.js';
import { labelLine, labelProblems, labelsOf, nameProblem } from '../../dashboard/src/lib/workers/labels.js';
import { policyWords, windowWords } from '../../dashboard/src/lib/workers/policy.js';
import { problemsOf } from '../../dashboard/src/lib/workers/problems.js';

const row = (part: Partial<WorkerRow> = {}): WorkerRow => ({
  id: 'w-0001',
  name: 'lab-1',
  state: 'online',
  tier: 2,
  pinned: false,
  trust: 'community',
  labels: {},
  slots: 4,
  services: [{ name: 'embedded', state: 'healthy' }],
  joinedAt: 1,
  lastSeenAt: 2,
  ...part,
});
const load = (part: Partial<LiveLoad> = {}): LiveLoad => ({
  running: 0,
  cpu: 10,
  memory: 20,
  gpu: -1,
  celsius: -274,
  ...part,
});
const filter = (part: Partial<WorkerFilter>): WorkerFilter => ({ ...DEFAULT_VIEW, ...part });

describe('the view of the list', () => {
  it('round-trips through the URL', () => {
    const view = readView(
      new URLSearchParams('q=a b&state=online,away&tier=1,none&trust=trusted&problem=1&sort=-cpu&columns=name,os'),
    );
    expect(view).toEqual({
      search: 'a b',
      states: ['online', 'away'],
      tiers: ['1', 'none'],
      trust: 'trusted',
      hasProblem: true,
      sort: { column: 'cpu', isDescending: true },
      columns: ['name', 'os'],
    });
    expect(readView(new URLSearchParams(writeView(view)))).toEqual(view);
  });

  it('leaves out what is as usual, and words that it does not know', () => {
    expect(writeView(DEFAULT_VIEW)).toBe('');
    expect(readView(new URLSearchParams('state=lost&tier=9&sort=-colour&columns=x&trust=y'))).toEqual(DEFAULT_VIEW);
  });
});

describe('a filter', () => {
  it('finds every word of the search in names, ids, labels and services', () => {
    const one = row({ labels: { region: 'eu' }, services: [{ name: 'pg', state: 'healthy', workload: 'postgres' }] });
    for (const search of ['LAB', 'w-0001', 'region=eu', 'postgres lab'])
      expect(fits(one, undefined, filter({ search }))).toBe(true);
    expect(fits(one, undefined, filter({ search: 'lab region=us' }))).toBe(false);
  });

  it('hides revoked workers until they are asked for', () => {
    const revoked = row({ state: 'revoked' });
    expect(fits(revoked, undefined, DEFAULT_VIEW)).toBe(false);
    expect(fits(revoked, undefined, filter({ states: ['revoked'] }))).toBe(true);
  });

  it('knows what is a problem and what is not', () => {
    expect(problemsOf(row(), load())).toEqual([]);
    expect(problemsOf(row({ state: 'offline', services: [] }), undefined)).toEqual([]);
    expect(problemsOf(row({ services: [{ name: 'pg', state: 'unhealthy' }] }), load())).toEqual([
      'the service pg is unhealthy',
    ]);
    expect(problemsOf(row({ slots: 0, services: [] }), load())).toHaveLength(1);
    expect(problemsOf(row({ slots: 0, services: [{ name: 'pg', state: 'pulling' }] }), load())).toEqual([]);
    expect(problemsOf(row(), load({ celsius: 93, memory: 97 }))).toEqual([
      'its temperature is 93 °C',
      'its memory is 97 % full',
    ]);
  });
});

describe('an order', () => {
  it('counts numbers in names as numbers, and puts what is unknown last either way', () => {
    const rows = ['lab-10', 'lab-2', 'lab-1'].map((name, i) => row({ name, id: `w-000${i}` }));
    const loads = new Map([
      ['w-0000', load({ cpu: 90 })],
      ['w-0001', load({ cpu: 5 })],
    ]);
    const names = (column: 'name' | 'cpu', isDescending: boolean) =>
      sortWorkers(rows, loads, { column, isDescending }).map(({ name }) => name);
    expect(names('name', false)).toEqual(['lab-1', 'lab-2', 'lab-10']);
    expect(names('cpu', false)).toEqual(['lab-2', 'lab-10', 'lab-1']);
    expect(names('cpu', true)).toEqual(['lab-10', 'lab-2', 'lab-1']);
  });
});

describe('labels and names', () => {
  const LRO = String.fromCharCode(0x202e);

  it.each(['region', 'a/b.c_d-1', '', '-x', 'a b', 'x'.repeat(64), 'ü'])(
    'take the key %j where the protocol does',
    (key) => {
      const lines = [labelLine(key, 'v')];
      expect(labelProblems(lines).size === 0).toBe(key !== '' && Value.Check(Labels, { [key]: 'v' }));
    },
  );

  it.each(['', 'eu-west', 'x'.repeat(129), '😀'.repeat(128), 'a\nb', LRO, '<b>'])(
    'take the value %j where the protocol does',
    (value) => {
      expect(labelProblems([labelLine('k', value)]).size === 0).toBe(Value.Check(Labels, { k: value }));
      if (value !== '') expect(nameProblem(value) === undefined).toBe(Value.Check(Name, value));
    },
  );

  it('refuse a key twice, and leave out empty lines', () => {
    const lines = [labelLine('a', '1'), labelLine('a', '2'), labelLine()];
    expect([...labelProblems(lines).values()]).toEqual(['There already is a label a']);
    expect(labelsOf([labelLine('a', '1'), labelLine()])).toEqual({ a: '1' });
  });
});

describe('what an action will do', () => {
  const busy = { state: 'online', running: 3, slots: 4 };

  it('is described with numbers', () => {
    expect(drainConsequences([busy], false)).toContain('3 running tasks run to the end.');
    expect(drainConsequences([busy, busy], true).join(' ')).toContain('6 running tasks are stopped and queued again');
    expect(drainConsequences([busy, busy], true)).toContain('The pool can run 8 fewer tasks at once.');
    expect(revokeConsequences({ ...busy, running: 1 })).toContain(
      '1 running task is lost, and queued again for other workers.',
    );
    expect(resumeConsequences([busy], 'the owner is here').join(' ')).toContain(
      "by its donor's policy (the owner is here)",
    );
  });
});

describe("a donor's policy", () => {
  it('has a sentence for each rule', () => {
    expect(windowWords({ days: ['mon', 'tue', 'wed', 'thu', 'fri'], from: '18:00', to: '08:00' })).toBe(
      'Mon to Fri, 18:00 to 08:00 of the next day',
    );
    expect(windowWords({ days: ['sat', 'sun'], from: '00:00', to: '24:00' })).toBe('Sat, Sun, all day');
    expect(policyWords({ paused: false })).toEqual(['Available at any time, without limits.']);
    expect(policyWords({ paused: false, onlyWhenIdle: true, caps: { cores: 1, memoryMiB: 2_048 } })).toEqual([
      'Available only while nobody uses the machine.',
      'At most 1 core.',
      'At most 2 GiB of memory.',
    ]);
  });

  it('shows small bandwidths in KiB, an empty list as none, and separate days one by one', () => {
    const caps = { bandwidthKiBps: 500, cores: 1.5, diskMiB: 0 };
    expect(policyWords({ paused: false, caps, workloads: [], kinds: ['ocr.read', 'echo'] })).toEqual([
      'At most 1.5 cores.',
      'At most 0 MiB of disk.',
      'At most 500 KiB per second each way for large inputs and outputs.',
      'Only these workloads: none.',
      'Only these kinds of tasks: ocr.read, echo.',
    ]);
    expect(policyWords({ paused: false, caps: { bandwidthKiBps: 1_536 } })).toEqual([
      'At most 1.5 MiB per second each way for large inputs and outputs.',
    ]);
    const days: ('mon' | 'wed' | 'thu' | 'fri' | 'sun')[] = ['sun', 'fri', 'wed', 'thu', 'mon'];
    expect(windowWords({ days, from: '22:00', to: '24:00' })).toBe('Mon, Wed to Fri, Sun, 22:00 to 24:00');
    expect(windowWords({ days, from: '00:00', to: '06:00' })).toBe('Mon, Wed to Fri, Sun, 00:00 to 06:00');
  });
});

describe('lines over time', () => {
  it('have a gap where nothing was measured', () => {
    const lines = [{ name: 'CPU', values: [1, 2, null], color: '--series-1' }];
    expect(timeColumns([0, 5_000, 60_000], lines, 20_000)).toEqual([
      [0, 5, 5.001, 60],
      [1, 2, null, null],
    ]);
  });
});
