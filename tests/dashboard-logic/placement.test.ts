/** Placement: counts, groups by reason and rows of the matrix, also with unknown statuses. */
import type { PlacementView } from '@rma/client';
import { EVENT_TYPES } from '@rma/protocol/event';
import { describe, expect, it } from 'vitest';
import {
  groupsOf,
  matchingWorkers,
  PLACEMENT_TYPES,
  statusOf,
  summaries,
  waitingOf,
  wantedText,
} from '../../dashboard/src/lib/workloads/placement.js';

type Cell = readonly [workload: string, status: string, reason?: string];
const worker = (id: string, name: string, ...cells: Cell[]): PlacementView['workers'][number] => ({
  worker: id,
  name,
  state: 'online',
  tier: 2,
  // A status of a newer coordinator.
  cells: cells.map(([workload, status, reason = '']) => ({ workload, status: status as 'runs', reason })),
});
const workload = (name: string): PlacementView['workloads'][number] => ({
  workload: name,
  title: name,
  kinds: [`${name}.run`],
  floor: 0,
  ceiling: 4,
  replicas: 0,
  waiting: 0,
});

const view: PlacementView = {
  workloads: [workload('ocr'), workload('__proto__')],
  workers: [
    worker('w-1', 'attic', ['ocr', 'cannot', 'no GPU'], ['__proto__', 'runs']),
    worker('w-2', 'Cellar <b>', ['ocr', 'runs']),
    worker('w-3', 'shed', ['ocr', 'cannot', 'no GPU']),
    worker('w-4', 'w-1', ['ocr', 'cannot', 'too little memory'], ['gone', 'runs']),
    worker('w-5', 'bare'),
    worker('w-6', 'late', ['ocr', 'hibernates', 'asleep']),
  ],
};
const ids = (workers: readonly { worker: string }[]) => workers.map(({ worker }) => worker);

describe('the sums of a workload', () => {
  it('count each worker once, also under a hostile name, and take a status to come as cannot', () => {
    const [ocr, proto] = summaries(view, undefined);
    expect(ocr?.counts).toEqual({ runs: 1, embedded: 0, starting: 0, failing: 0, could: 0, cannot: 4 });
    expect(proto?.counts.runs).toBe(1);
    expect(ocr?.entry).toBeUndefined();
    expect(['hibernates', 'constructor', ''].map(statusOf)).toEqual(['cannot', 'cannot', 'cannot']);
  });

  it('are none where there are no workers', () => {
    expect(summaries({ ...view, workers: [] }, { source: 'file', workloads: [] })[0]?.counts.cannot).toBe(0);
  });
});

it('workers of the same reason stand together, those that run it first, then the largest group', () => {
  expect(groupsOf(view, 'ocr').map(({ status, reason, workers }) => [status, reason, ids(workers)])).toEqual([
    ['runs', '', ['w-2']],
    ['cannot', 'no GPU', ['w-1', 'w-3']],
    ['cannot', 'too little memory', ['w-4']],
    ['cannot', 'asleep', ['w-6']],
  ]);
  expect(groupsOf(view, 'nothing')).toEqual([]);
});

describe('the rows of the matrix', () => {
  it.each([
    [{ text: '' }, ['w-1', 'w-2', 'w-3', 'w-4', 'w-5', 'w-6']],
    [{ text: ' W-1 ' }, ['w-1', 'w-4']],
    [{ text: '<B>' }, ['w-2']],
    [{ text: '', status: 'runs' }, ['w-1', 'w-2', 'w-4']],
    [{ text: '', status: 'runs', workload: 'ocr' }, ['w-2']],
    [{ text: '', status: 'cannot', workload: 'ocr' }, ['w-1', 'w-3', 'w-4', 'w-6']],
    [{ text: 'attic', status: 'failing' }, []],
  ] as const)('that fit %j', (filter, expected) => {
    const { text, status, workload } = { status: undefined, workload: undefined, ...filter };
    expect(ids(matchingWorkers(view.workers, { text, status, workload }))).toEqual(expected);
  });
});

it.each([
  [{ floor: 0, ceiling: 0 }, 'no replicas'],
  [{ floor: 0, ceiling: 8 }, 'on demand, up to 8'],
  [{ floor: 1, ceiling: 4 }, 'always 1, up to 4'],
  [{ floor: 2, ceiling: 2 }, 'always 2'],
  [{ floor: 3, ceiling: 1 }, 'always 3'],
])('%j is wanted: %s', (bounds, text) => {
  expect(wantedText(bounds)).toBe(text);
});

it('what waits is summed over the kinds of a workload alone', () => {
  const queues = [
    { kind: 'ocr.read', queued: 3 },
    { kind: 'ocr', queued: 50 },
    { kind: 'pdf.read', queued: 4 },
  ];
  expect(waitingOf(['ocr.read', 'pdf.read', 'none'], queues)).toBe(7);
  expect(waitingOf([], queues)).toBe(0);
});

it('each prefix of the events that may change it matches a type', () => {
  for (const start of PLACEMENT_TYPES)
    expect(
      Object.keys(EVENT_TYPES).some((type) => type.startsWith(start)),
      start,
    ).toBe(true);
});
