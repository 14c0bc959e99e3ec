/** The new events in a value of the topic `recent`: none twice, and every gap counted. */
import type { LiveRecent } from '@rma/client';
import { expect, it } from 'vitest';
import { newEventsIn } from '../../dashboard/src/lib/pool/new-events.js';

/** Newest first, as in the topic; `[seq, omitted]`. */
const recent = (...rows: [seq: number, omitted?: number][]): LiveRecent => ({
  events: rows.map(([seq, omitted = 0]) => ({
    event: { seq, at: seq, type: 'worker.online' as const, subject: `w-${seq}` },
    omitted,
  })),
  fresh: undefined,
});
const newIn = (value: LiveRecent, seen: number | undefined) => {
  const { events, omitted } = newEventsIn(value, seen);
  return { seqs: events.map(({ seq }) => seq), omitted };
};

it.each([
  ['all of the first value', recent([9], [7], [3]), undefined, { seqs: [3, 7, 9], omitted: 0 }],
  ['what came since, in order', recent([9], [7], [3]), 3, { seqs: [7, 9], omitted: 0 }],
  ['nothing where nothing came', recent([9], [7]), 9, { seqs: [], omitted: 0 }],
  ['nothing of an empty past', recent(), undefined, { seqs: [], omitted: 0 }],
  ['the first event ever without a gap', recent([4]), 0, { seqs: [4], omitted: 0 }],
  [
    'how many were left out of those that are new',
    recent([90, 40], [70, 5], [3, 8]),
    3,
    { seqs: [70, 90], omitted: 45 },
  ],
  ['a gap of unknown size where none is known', recent([900], [899]), 9, { seqs: [899, 900], omitted: undefined }],
])('gives %s', (_, value, seen, wanted) => {
  expect(newIn(value, seen)).toEqual(wanted);
});
