/** Placement as the Workloads page shows it: counts, groups by reason, and rows of the matrix. Pure. */
import type { CatalogView, PlacementView } from '@rma/client';
import type { Tone } from '../ui/tone.js';

export type Status = 'runs' | 'starting' | 'failing' | 'embedded' | 'could' | 'cannot';
export type PlacedWorker = PlacementView['workers'][number];
export type Placed = PlacementView['workloads'][number];
export type Entry = CatalogView['workloads'][number];

export const STATUSES: readonly Status[] = ['runs', 'embedded', 'starting', 'failing', 'could', 'cannot'];
/** `label` also follows a number, in lower case: "3 running". `means` explains the status in the legend. */
export const STATUS_WORDS: Readonly<Record<Status, { label: string; tone: Tone; means: string }>> = {
  runs: { label: 'Running', tone: 'ok', means: 'assigned to the machine, and healthy' },
  embedded: { label: 'Embedded', tone: 'ok', means: 'runs inside the agent, on spare resources' },
  starting: { label: 'Starting', tone: 'info', means: 'assigned to the machine, not healthy yet' },
  failing: { label: 'Failing', tone: 'bad', means: 'assigned to the machine, but unhealthy' },
  could: { label: 'Could run', tone: 'plain', means: 'fits the machine, but is not needed there' },
  cannot: { label: 'Cannot run', tone: 'plain', means: 'does not fit the machine' },
};

/** An unknown status (newer coordinator) is shown as "cannot", with its reason. */
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

/** Workers by their status and reason for one workload; those that run it first. */
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
  /** Only workers with this status for `workload`, or for any. */
  readonly status: Status | undefined;
  readonly workload: string | undefined;
}

export function matchingWorkers(
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

/** Queued tasks of these kinds, from the live overview; kinds that it does not list have none. */
export function waitingOf(
  kinds: readonly string[],
  queues: readonly { readonly kind: string; readonly queued: number }[],
): number {
  return queues.reduce((sum, { kind, queued }) => (kinds.includes(kind) ? sum + queued : sum), 0);
}

/** Event types after which placement may have changed. */
export const PLACEMENT_TYPES = ['service.', 'worker.', 'catalog.', 'workload.'];

/** "on demand, up to 8", "always 2", "always 1, up to 4" */
export function wantedText({ floor, ceiling }: Pick<Placed, 'floor' | 'ceiling'>): string {
  if (floor === 0) return ceiling === 0 ? 'no replicas' : `on demand, up to ${ceiling}`;
  return ceiling > floor ? `always ${floor}, up to ${ceiling}` : `always ${floor}`;
}
