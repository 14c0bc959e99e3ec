/** Filter, order and columns of the worker list, and their form in the URL. Pure. */
import type { LiveLoad } from '@rma/client';
import type { WorkerRow } from '@rma/protocol/topic';
import type { WorkerState } from '@rma/protocol/view';
import { COLUMN_IDS, type ColumnId, DEFAULT_COLUMNS } from './columns.js';
import { problemsOf } from './problems.js';

/** In the order of the menu. */
export const STATES = ['online', 'draining', 'away', 'offline', 'revoked'] as const satisfies readonly WorkerState[];
export const TIERS = ['1', '2', '3', 'none'] as const;
export type TierChoice = (typeof TIERS)[number];

export interface WorkerFilter {
  readonly search: string;
  /** Empty: all. */
  readonly states: readonly string[];
  readonly tiers: readonly TierChoice[];
  readonly trust: 'all' | 'trusted' | 'community';
  /** Only workers with a problem. */
  readonly hasProblem: boolean;
}

export interface WorkerListView extends WorkerFilter {
  readonly sort: { readonly column: ColumnId; readonly isDescending: boolean };
  readonly columns: readonly ColumnId[];
}

export const DEFAULT_VIEW: WorkerListView = {
  search: '',
  states: [],
  tiers: [],
  trust: 'all',
  hasProblem: false,
  sort: { column: 'name', isDescending: false },
  columns: DEFAULT_COLUMNS,
};

/** From the URL; unknown values are ignored. */
export function readView(query: URLSearchParams): WorkerListView {
  const trust = query.get('trust');
  const sort = query.get('sort') ?? '';
  const column = sort.replace(/^-/, '');
  const columns = words(query.get('columns'), COLUMN_IDS);
  return {
    search: query.get('q') ?? '',
    states: words(query.get('state'), STATES),
    tiers: words(query.get('tier'), TIERS),
    trust: trust === 'trusted' || trust === 'community' ? trust : 'all',
    hasProblem: query.get('problem') === '1',
    sort: isOneOf(column, COLUMN_IDS) ? { column, isDescending: sort.startsWith('-') } : DEFAULT_VIEW.sort,
    columns: columns.length > 0 ? COLUMN_IDS.filter((id) => id === 'name' || columns.includes(id)) : DEFAULT_COLUMNS,
  };
}

/** The query of the URL, without defaults. */
export function writeView(view: WorkerListView): string {
  const query = new URLSearchParams();
  if (view.search !== '') query.set('q', view.search);
  if (view.states.length > 0) query.set('state', view.states.join(','));
  if (view.tiers.length > 0) query.set('tier', view.tiers.join(','));
  if (view.trust !== 'all') query.set('trust', view.trust);
  if (view.hasProblem) query.set('problem', '1');
  const { column, isDescending } = view.sort;
  if (column !== 'name' || isDescending) query.set('sort', `${isDescending ? '-' : ''}${column}`);
  if (view.columns.join() !== DEFAULT_COLUMNS.join()) query.set('columns', view.columns.join(','));
  const text = query.toString().replaceAll('%2C', ',');
  return text === '' ? '' : `?${text}`;
}

export function isFiltered(view: WorkerFilter): boolean {
  return (
    view.search !== '' || view.states.length > 0 || view.tiers.length > 0 || view.trust !== 'all' || view.hasProblem
  );
}

/** Whether the list shows a worker. Revoked ones are shown only if that state is selected. */
export function fits(row: WorkerRow, load: LiveLoad | undefined, filter: WorkerFilter): boolean {
  if (filter.states.length > 0 ? !filter.states.includes(row.state) : row.state === 'revoked') return false;
  if (filter.tiers.length > 0 && !filter.tiers.includes(row.tier === null ? 'none' : (String(row.tier) as TierChoice)))
    return false;
  if (filter.trust !== 'all' && row.trust !== filter.trust) return false;
  if (!matches(row, filter.search)) return false;
  return !filter.hasProblem || problemsOf(row, load).length > 0;
}

/** Whether every word of the search is in the worker's name, id, labels, services, owner, system, GPU or address. */
function matches(row: WorkerRow, search: string): boolean {
  const wanted = search.trim().toLowerCase();
  if (wanted === '') return true;
  const text = searchText(row);
  return wanted.split(/\s+/).every((word) => text.includes(word));
}

const texts = new WeakMap<WorkerRow, string>();

/** Cached per row object: rows are immutable. */
function searchText(row: WorkerRow): string {
  let text = texts.get(row);
  if (text === undefined) {
    const labels = Object.entries(row.labels).map(([key, value]) => `${key}=${value}`);
    const services = row.services.map(({ name, workload }) => `${name} ${workload ?? ''}`);
    text = [row.name, row.id, ...labels, ...services, row.owner, row.os, row.gpu, row.address].join('\n').toLowerCase();
    texts.set(row, text);
  }
  return text;
}

function words<T extends string>(value: string | null, known: readonly T[]): T[] {
  const asked = new Set(value?.split(',') ?? []);
  return known.filter((word) => asked.has(word));
}

function isOneOf<T extends string>(value: string, known: readonly T[]): value is T {
  return (known as readonly string[]).includes(value);
}
