/** The catalogue against the workers, as the page shows it: sums, groups and rows of the matrix. Pure. */
import type { CatalogView, PlacementView } from '@rma/client';
import type { Tone } from '../ui/tone.js';

export type Status = 'runs' | 'starting' | 'failing' | 'embedded' | 'could' | 'cannot';
export type PlacedWorker = PlacementView['workers'][number];
export type Placed = PlacementView['workloads'][number];
export type Entry = CatalogView['workloads'][number];

export const STATUSES: readonly Status[] = ['runs', 'embedded', 'starting', 'failing', 'could', 'cannot'];
/** `words` follow a number, one or many: "1 runs", "3 run". `means` explains the status. */
export const STATUS_WORDS: Readonly<
  Record<Status, { label: string; words: readonly [one: string, many: string]; tone: Tone; means: string }>
> = {
  runs: { label: 'Runs', words: ['runs', 'run'], tone: 'ok', means: 'placed here, and healthy' },
  embedded: {
    label: 'Fills',
    words: ['fills what is left', 'fill what is left'],
    tone: 'ok',
    means: 'runs in what is left of the machine',
  },
  starting: { label: 'Starting', words: ['starts', 'start'], tone: 'info', means: 'placed here, not healthy yet' },
  failing: { label: 'Failing', words: ['fails', 'fail'], tone: 'bad', means: 'placed here, and does not get healthy' },
  could: { label: 'Could', words: ['could', 'could'], tone: 'plain', means: 'would fit, and nothing asks for it' },
  cannot: { label: 'Cannot', words: ['cannot', 'cannot'], tone: 'plain', means: 'lacks something for it' },
};

/** A status of a newer coordinator is shown as "cannot", with its reason. */
export function statusOf(status: string): Status {
  return STATUSES.find((one) => one === status) ?? 'cannot';
}

export interface Summary extends Placed {
  readonly entry: Entry | undefined;
  readonly counts: Readonly<Record<Status, number>>;
}

export function summaries({ workloads, workers }: PlacementView, catalog: CatalogView | undefined): readonly Summary[] {
  const counts = new Map(workloads.map(({ workload }) => [workload, noCounts()]));
  for (const { cells } of workers) {
    for (const { workload, status } of cells) {
      const of = counts.get(workload);
      if (of) of[statusOf(status)] += 1;
    }
  }
  return workloads.map((placed) => ({
    ...placed,
    entry: catalog?.workloads.find(({ workload }) => workload === placed.workload),
    counts: counts.get(placed.workload) ?? noCounts(),
  }));
}

function noCounts(): Record<Status, number> {
  return { runs: 0, embedded: 0, starting: 0, failing: 0, could: 0, cannot: 0 };
}

/** Workers of one status and reason. */
export interface Group {
  readonly status: Status;
  readonly reason: string;
  readonly workers: readonly Pick<PlacedWorker, 'worker' | 'name'>[];
}

/** Where one workload stands on each worker: workers of the same reason together, those that run it first. */
export function groupsOf({ workers }: PlacementView, workload: string): readonly Group[] {
  const groups = new Map<
    string,
    { status: Status; reason: string; workers: Pick<PlacedWorker, 'worker' | 'name'>[] }
  >();
  for (const { worker, name, cells } of workers) {
    const cell = cells.find((one) => one.workload === workload);
    if (!cell) continue;
    const status = statusOf(cell.status);
    const key = `${status} ${cell.reason}`;
    const group = groups.get(key) ?? { status, reason: cell.reason, workers: [] };
    group.workers.push({ worker, name });
    groups.set(key, group);
  }
  return [...groups.values()].sort(
    (a, b) => STATUSES.indexOf(a.status) - STATUSES.indexOf(b.status) || b.workers.length - a.workers.length,
  );
}

export interface MatrixFilter {
  readonly text: string;
  /** Only workers that stand so with some workload, or with `workload`. */
  readonly status: Status | undefined;
  readonly workload: string | undefined;
}

export function workersThatFit(
  workers: readonly PlacedWorker[],
  { text, status, workload }: MatrixFilter,
): readonly PlacedWorker[] {
  const wanted = text.trim().toLowerCase();
  return workers.filter(
    ({ worker, name, cells }) =>
      (wanted === '' || worker.includes(wanted) || name.toLowerCase().includes(wanted)) &&
      (status === undefined ||
        cells.some(
          (cell) => statusOf(cell.status) === status && (workload === undefined || cell.workload === workload),
        )),
  );
}

/** Queued tasks of these kinds, by what the overview tells live. A kind that it does not list has none. */
export function waitingOf(
  kinds: readonly string[],
  queues: readonly { readonly kind: string; readonly queued: number }[],
): number {
  return queues.reduce((sum, { kind, queued }) => (kinds.includes(kind) ? sum + queued : sum), 0);
}

/** Events after which the page may be another one. */
export const PLACEMENT_TYPES = ['service.', 'worker.', 'catalog.', 'workload.'];

/** "on demand, up to 8", "2 always", "1 always, up to 4" */
export function wantedText({ floor, ceiling }: Pick<Placed, 'floor' | 'ceiling'>): string {
  if (floor === 0) return ceiling === 0 ? 'not wanted' : `on demand, up to ${ceiling}`;
  return ceiling > floor ? `${floor} always, up to ${ceiling}` : `${floor} always`;
}
