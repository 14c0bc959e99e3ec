/**
 * The ids of the worker list, filtered and sorted. A change by the user applies at once; changes in the pool reorder
 * the rows at most twice a second, or every few seconds if sorted by a live column, so that rows stay in place long
 * enough to be read.
 */
import type { LiveWorkers } from '@rma/client';
import type { WorkerRow } from '@rma/protocol/topic';
import { untrack } from 'svelte';
import { COLUMNS, sortWorkers } from './columns.js';
import { fits, type WorkerListView } from './filter.js';

const REORDER_MS = 500;
const REORDER_LIVE_MS = 3_000;

export interface WorkerCounts {
  /** Without revoked ones. */
  readonly total: number;
  readonly byState: Readonly<Record<string, number>>;
  readonly byTier: Readonly<Record<string, number>>;
}

export interface WorkerList {
  /** Sorted. */
  readonly ids: readonly string[];
  readonly counts: WorkerCounts;
}

const NOTHING: WorkerList = { ids: [], counts: { total: 0, byState: {}, byTier: {} } };

/** Call it during component initialisation. */
export function workerList(workers: () => LiveWorkers | undefined, view: () => WorkerListView): WorkerList {
  let shown = $state.raw<WorkerList>(NOTHING);
  let shownView: WorkerListView | undefined;
  let shownAt = 0;
  let timer: ReturnType<typeof setTimeout> | undefined;

  $effect(() => {
    const live = workers();
    const wanted = view();
    if (!live) return;
    const arrange = () => {
      clearTimeout(timer);
      timer = undefined;
      shownView = wanted;
      shownAt = performance.now();
      const next = arrangeWorkers(live, wanted);
      // The same order keeps the same array, so that nothing is rendered again.
      const { ids } = untrack(() => shown);
      shown = { ids: isSame(ids, next.ids) ? ids : next.ids, counts: next.counts };
    };
    const isLive = COLUMNS.find(({ id }) => id === wanted.sort.column)?.isLive ?? false;
    const wait =
      (isLive || wanted.hasProblem) &&
      isKnown(
        live,
        untrack(() => shown),
      )
        ? REORDER_LIVE_MS
        : REORDER_MS;
    if (wanted !== shownView) arrange();
    else {
      // Replace the scheduled update, which has older values, at the same time.
      clearTimeout(timer);
      const inMs = shownAt + wait - performance.now();
      if (inMs <= 0) arrange();
      else timer = setTimeout(arrange, inMs);
    }
  });
  $effect(() => () => clearTimeout(timer));

  return {
    get ids() {
      return shown.ids;
    },
    get counts() {
      return shown.counts;
    },
  };
}

/** Whether all workers of the pool were counted before. */
function isKnown(live: LiveWorkers, { counts }: WorkerList): boolean {
  return live.rows.size === counts.total + (counts.byState.revoked ?? 0);
}

function arrangeWorkers({ rows, loads }: LiveWorkers, view: WorkerListView): WorkerList {
  const found: WorkerRow[] = [];
  const byState: Record<string, number> = {};
  const byTier: Record<string, number> = {};
  let total = 0;
  for (const row of rows.values()) {
    byState[row.state] = (byState[row.state] ?? 0) + 1;
    if (row.state !== 'revoked') {
      total++;
      const tier = String(row.tier ?? 'none');
      byTier[tier] = (byTier[tier] ?? 0) + 1;
    }
    if (fits(row, loads.get(row.id), view)) found.push(row);
  }
  return { ids: sortWorkers(found, loads, view.sort).map(({ id }) => id), counts: { total, byState, byTier } };
}

function isSame(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((id, i) => id === b[i]);
}
