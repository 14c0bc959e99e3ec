/** The filter of the task list, as it is in the URL, so that every view can be linked to. Pure. */
import type { LiveTaskFilter, TaskState } from '@rma/client';

/** In the order in which a task passes through them. */
export const STATES = [
  'scheduled',
  'queued',
  'running',
  'succeeded',
  'failed',
  'cancelled',
  'expired',
] as const satisfies readonly TaskState[];

export const LIMITS = [50, 100, 200] as const;
const DEFAULT_LIMIT = 100;
const KIND = /^[a-z0-9][a-z0-9_.-]{0,63}$/;
const WORKER = /^w-[0-9a-z]{4,32}$/;
const TASK_ID = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;
const MAX_NAME = 128;

export interface ListFilter {
  /** Empty: all. */
  readonly states: readonly TaskState[];
  readonly kind: string;
  readonly owner: string;
  readonly worker: string;
  readonly limit: number;
  /** Text to find in the loaded tasks. */
  readonly search: string;
}

export const NO_FILTER: ListFilter = { states: [], kind: '', owner: '', worker: '', limit: DEFAULT_LIMIT, search: '' };

/** From a URL; invalid states and limits are ignored. */
export function filterOf(params: URLSearchParams): ListFilter {
  const wanted = new Set((params.get('state') ?? '').split(','));
  const limit = Number(params.get('limit'));
  return {
    states: STATES.filter((state) => wanted.has(state)),
    kind: params.get('kind') ?? '',
    owner: params.get('owner') ?? '',
    worker: params.get('worker') ?? '',
    limit: LIMITS.find((one) => one === limit) ?? DEFAULT_LIMIT,
    search: params.get('q') ?? '',
  };
}

/** The query of the URL, with `?`; empty for no filter. */
export function queryOf({ states, kind, owner, worker, limit, search }: ListFilter): string {
  const params = new URLSearchParams();
  if (states.length > 0 && states.length < STATES.length) params.set('state', states.join(','));
  if (kind !== '') params.set('kind', kind);
  if (owner !== '') params.set('owner', owner);
  if (worker !== '') params.set('worker', worker);
  if (limit !== DEFAULT_LIMIT) params.set('limit', String(limit));
  if (search !== '') params.set('q', search);
  const query = params.toString();
  return query === '' ? '' : `?${query.replaceAll('%2C', ',')}`;
}

/** The problem with a field, or undefined. */
export function problemOf(field: 'kind' | 'owner' | 'worker', text: string): string | undefined {
  if (text === '') return undefined;
  if (field === 'kind' && !KIND.test(text)) return 'A kind is written like ocr.read: lower case, digits, dots.';
  if (field === 'worker' && !WORKER.test(text)) return "A worker's id is written like w-3k9x2m7q.";
  if (field === 'owner' && text.length > MAX_NAME) return `An owner's name has at most ${MAX_NAME} characters.`;
  return undefined;
}

/** The part of the filter that the coordinator applies, without invalid fields. Only admins can filter by owner. */
export function topicFilter(filter: ListFilter, isAdmin: boolean): LiveTaskFilter {
  const { states, limit } = filter;
  const isUsable = (field: 'kind' | 'owner' | 'worker') => filter[field] !== '' && !problemOf(field, filter[field]);
  return {
    limit,
    ...(states.length > 0 && states.length < STATES.length ? { states } : {}),
    ...(isUsable('kind') ? { kind: filter.kind } : {}),
    ...(isUsable('worker') ? { worker: filter.worker } : {}),
    ...(isAdmin && isUsable('owner') ? { owner: filter.owner } : {}),
  };
}

export function isFiltered({ states, kind, owner, worker, search }: ListFilter): boolean {
  return states.length > 0 || kind !== '' || owner !== '' || worker !== '' || search !== '';
}

/** The task id in a text, trimmed and in lower case, or undefined. */
export function taskIdOf(text: string): string | undefined {
  const id = text.trim().toLowerCase();
  return TASK_ID.test(id) ? id : undefined;
}

interface Searched {
  readonly id: string;
  readonly kind: string;
  readonly owner: string;
  readonly worker?: string | undefined;
  readonly error?: { readonly code: string; readonly message: string } | undefined;
}

export function matches({ id, kind, owner, worker, error }: Searched, search: string): boolean {
  const wanted = search.trim().toLowerCase();
  if (wanted === '') return true;
  const texts = [id, kind, owner, worker, error?.code, error?.message];
  return texts.some((text) => text?.toLowerCase().includes(wanted));
}
