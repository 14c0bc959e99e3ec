/** What a worker's cell shows: how full it is, how much runs, what is wrong. Pure. */
import type { LiveLoad, WorkerRow } from '@rma/client';
import { count } from '../format/number.js';

/** From the worst down: a cell shows one. */
export type Trouble = 'offline' | 'away' | 'unhealthy' | 'hot' | 'draining';
export const TROUBLES: readonly Trouble[] = ['offline', 'away', 'unhealthy', 'hot', 'draining'];
export const TROUBLE_NAMES: Readonly<Record<Trouble, string>> = {
  offline: 'offline',
  away: 'away',
  unhealthy: 'unhealthy service',
  hot: 'hot',
  draining: 'draining',
};

/** Chips slow themselves down at about this. */
const HOT_CELSIUS = 87;
/** Steps that a fill is drawn in: less than one of them is no reason to draw. */
const LOAD_STEPS = 24;

export interface CellLook {
  readonly name: string;
  /** 0: none. */
  readonly tier: number;
  /** 0 to 1, in steps. */
  readonly load: number;
  readonly running: number;
  readonly trouble: Trouble | undefined;
}

export function lookOf(row: WorkerRow, load: LiveLoad | undefined): CellLook {
  const share = loadShare(row, load) ?? 0;
  return {
    name: row.name,
    tier: row.tier ?? 0,
    load: Math.round(share * LOAD_STEPS) / LOAD_STEPS,
    running: load?.running ?? 0,
    trouble: troubleOf(row, load),
  };
}

/** Whether a cell that showed `a` has to be drawn anew; what runs moves above it and is no reason. */
export function looksOther(a: CellLook | undefined, b: CellLook): boolean {
  return !a || a.load !== b.load || a.trouble !== b.trouble || a.tier !== b.tier || a.name !== b.name;
}

/** How busy a worker is, 0 to 1: its busiest of CPU and GPU, or the slots that are taken. Undefined: not known. */
export function loadShare({ slots }: WorkerRow, load: LiveLoad | undefined): number | undefined {
  if (!load) return undefined;
  const measured = Math.max(load.cpu, load.gpu);
  if (measured >= 0) return measured / 100;
  return slots > 0 ? Math.min(1, load.running / slots) : undefined;
}

export function troubleOf({ state, services }: WorkerRow, load: LiveLoad | undefined): Trouble | undefined {
  if (state === 'offline' || state === 'away') return state;
  if (services.some((service) => service.state === 'unhealthy')) return 'unhealthy';
  if (load && load.celsius >= HOT_CELSIUS) return 'hot';
  return state === 'draining' ? 'draining' : undefined;
}

/** "attic, tier 2, online, 42 % busy, 3 tasks running": for who cannot see the cell. */
export function describeWorker(row: WorkerRow, load: LiveLoad | undefined): string {
  const share = loadShare(row, load);
  const trouble = troubleOf(row, load);
  return [
    row.name,
    row.tier ? `tier ${row.tier}` : 'no tier',
    row.state,
    ...(trouble && trouble !== row.state ? [TROUBLE_NAMES[trouble]] : []),
    ...(share === undefined ? [] : [`${Math.round(share * 100)} % busy`]),
    ...(load ? [`${count(load.running, 'task')} running`] : []),
  ].join(', ');
}
