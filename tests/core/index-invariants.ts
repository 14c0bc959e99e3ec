/** Invariants of the index over workers: it says what a count over all workers and lanes would. */
import { queuedIn } from '@rma/server/core/lane';
import { believedRoom } from '@rma/server/core/matching/believed-slots';
import type { Posting } from '@rma/server/core/matching/term';
import { stateOf } from '@rma/server/core/view';
import { acceptsTasks, freeService, servesKind } from '@rma/server/core/worker';
import type { Pool } from './harness.js';

export function checkIndex({ state }: Pool): void {
  const { index } = state;
  const workers = [...state.workers.values()];
  const online = workers.filter(({ session }) => session !== 0);
  same(index.counts.online, online.length, 'workers online');
  for (const name of ['online', 'draining', 'away', 'offline', 'revoked'] as const) {
    same(index.counts.byState.get(name) ?? 0, workers.filter((worker) => stateOf(worker) === name).length, name);
  }
  same([...index.sorted.after('')].length, workers.length, 'sorted workers');
  for (const worker of workers) {
    const entry = index.entryOf(worker);
    same(entry !== undefined, worker.session !== 0, `the entry of ${worker.record.id}`);
    if (!entry) continue;
    const takes = acceptsTasks(worker) && believedRoom(worker) > 0;
    for (const [kind, posting] of entry.kinds) {
      checkPosting(posting, takes && freeService(worker, kind) !== undefined, `${worker.record.id} for ${kind}`);
    }
    for (const posting of entry.traits)
      checkPosting(posting, entry.open > 0, `${worker.record.id}: ${posting.term.key}`);
  }
  for (const [kind, { lanes, queued }] of state.kinds) {
    const serving = online.filter((worker) => servesKind(worker, kind)).length;
    same(index.serving(kind), serving, `workers that serve ${kind}`);
    same(queued, sum([...lanes].map(queuedIn)), `queued of the kind ${kind}`);
  }
  checkTerms(state);
}

/** A term exists for a worker or a lane alone: whoever is gone leaves nothing behind. */
function checkTerms({ index, workers, lanes }: Pool['state']): void {
  const keys = new Set<string>();
  for (const worker of workers.values()) {
    const entry = index.entryOf(worker);
    for (const { term } of [...(entry?.traits ?? []), ...(entry?.kinds.values() ?? [])]) keys.add(term.key);
  }
  for (const { search } of lanes.values()) for (const { key } of search?.sources.flat() ?? []) keys.add(key);
  same(index.terms.size, keys.size, 'terms');
}

function checkPosting({ term, at, entry }: Posting, free: boolean, what: string): void {
  same(term.postings[at]?.entry, entry, `the place of ${what}`);
  same(at < term.free, free, `a free slot of ${what}`);
}

const sum = (numbers: readonly number[]): number => numbers.reduce((total, n) => total + n, 0);

function same<T>(found: T, expected: T, what: string): void {
  if (found !== expected) throw new Error(`the index, ${what}: found ${found}, expected ${expected}`);
}
