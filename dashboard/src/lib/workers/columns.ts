/** The columns of the worker list, and the sort order of each. Pure. */
import type { LiveLoad } from '@rma/client';
import type { WorkerRow } from '@rma/protocol/topic';

export const COLUMN_IDS = [
  'name',
  'state',
  'tier',
  'cpu',
  'memory',
  'gpu',
  'celsius',
  'running',
  'services',
  'trust',
  'labels',
  'owner',
  'os',
  'address',
  'joined',
  'seen',
] as const;
export type ColumnId = (typeof COLUMN_IDS)[number];

export const DEFAULT_COLUMNS: readonly ColumnId[] = [
  'name',
  'state',
  'tier',
  'cpu',
  'memory',
  'gpu',
  'celsius',
  'running',
  'services',
];

export interface WorkerColumn {
  readonly id: ColumnId;
  readonly label: string;
  /** px */
  readonly width: number;
  readonly grow?: number;
  readonly align?: 'end';
  readonly isForAdmins?: boolean;
  /** Changes all the time: a list sorted by it is reordered less often. */
  readonly isLive?: boolean;
}

export const COLUMNS: readonly WorkerColumn[] = [
  { id: 'name', label: 'Name', width: 190, grow: 2 },
  { id: 'state', label: 'State', width: 88 },
  { id: 'tier', label: 'Tier', width: 108 },
  { id: 'cpu', label: 'Load', width: 90, grow: 0.4, isLive: true },
  { id: 'memory', label: 'Memory', width: 90, grow: 0.4, isLive: true },
  { id: 'gpu', label: 'GPU', width: 90, grow: 0.4, isLive: true },
  { id: 'celsius', label: 'Temp.', width: 58, align: 'end', isLive: true },
  { id: 'running', label: 'Running', width: 70, align: 'end', isLive: true },
  { id: 'services', label: 'Services', width: 150, grow: 1.4 },
  { id: 'trust', label: 'Trust', width: 96 },
  { id: 'labels', label: 'Labels', width: 150, grow: 1.2 },
  { id: 'owner', label: 'Owner', width: 110, grow: 0.5, isForAdmins: true },
  { id: 'os', label: 'OS', width: 80, isForAdmins: true },
  { id: 'address', label: 'Address', width: 130, isForAdmins: true },
  { id: 'joined', label: 'Joined', width: 96 },
  { id: 'seen', label: 'Last seen', width: 96 },
];

const collator = new Intl.Collator('en', { numeric: true, sensitivity: 'base' });
const STATE_ORDER: Readonly<Record<string, number>> = { online: 0, draining: 1, away: 2, offline: 3, revoked: 4 };
/** Unknown values sort last in both directions. */
const UNKNOWN = Symbol('unknown');
type Rank = number | string | typeof UNKNOWN;

function rankOf(row: WorkerRow, load: LiveLoad | undefined, column: ColumnId): Rank {
  const measured = (value: number | undefined, least: number) =>
    value === undefined || value < least ? UNKNOWN : value;
  switch (column) {
    case 'name':
      return row.name;
    case 'state':
      return STATE_ORDER[row.state] ?? 9;
    case 'tier':
      return row.tier ?? 9;
    case 'cpu':
      return measured(load?.cpu, 0);
    case 'memory':
      return measured(load?.memory, 0);
    case 'gpu':
      return measured(load?.gpu, 0);
    case 'celsius':
      return measured(load?.celsius, -273);
    case 'running':
      return load?.running ?? UNKNOWN;
    case 'services':
      return row.services.length;
    case 'trust':
      return row.trust;
    case 'labels':
      return Object.entries(row.labels).flat().join(' ') || UNKNOWN;
    case 'owner':
      return row.owner ?? UNKNOWN;
    case 'os':
      return row.os ?? UNKNOWN;
    case 'address':
      return row.address ?? UNKNOWN;
    case 'joined':
      return row.joinedAt;
    case 'seen':
      return row.lastSeenAt;
  }
}

/** A sorted copy; ties by name, then id. */
export function sortWorkers(
  rows: readonly WorkerRow[],
  loads: ReadonlyMap<string, LiveLoad>,
  { column, isDescending }: { readonly column: ColumnId; readonly isDescending: boolean },
): WorkerRow[] {
  const ranked = rows.map((row) => ({ row, rank: rankOf(row, loads.get(row.id), column) }));
  const sign = isDescending ? -1 : 1;
  ranked.sort((a, b) => {
    if (a.rank === UNKNOWN || b.rank === UNKNOWN) {
      if (a.rank !== b.rank) return a.rank === UNKNOWN ? 1 : -1;
    } else {
      const order =
        typeof a.rank === 'number' && typeof b.rank === 'number'
          ? a.rank - b.rank
          : collator.compare(String(a.rank), String(b.rank));
      if (order !== 0) return sign * order;
    }
    const byName = column === 'name' ? 0 : collator.compare(a.row.name, b.row.name);
    return byName || (a.row.id < b.row.id ? -1 : 1);
  });
  return ranked.map(({ row }) => row);
}
