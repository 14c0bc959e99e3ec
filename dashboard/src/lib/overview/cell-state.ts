/** The state that a worker's cell shows: load, running tasks, the worst problem. Pure. */
import type { LiveLoad, WorkerRow } from '@rma/client';
import { count } from '../format/number.js';

/** A cell shows the first that applies, in this order. */
export type CellProblem = 'offline' | 'away' | 'unhealthy' | 'hot' | 'draining';
export const CELL_PROBLEMS: readonly CellProblem[] = ['offline', 'away', 'unhealthy', 'hot', 'draining'];
export const PROBLEM_NAMES: Readonly<Record<CellProblem, string>> = {
  offline: 'offline',
  away: 'away',
  unhealthy: 'unhealthy service',
  hot: 'hot',
  draining: 'draining',
};

/** Processors throttle at about this temperature. */
const HOT_CELSIUS = 87;
/** The fill is quantised to this many steps, so that small changes of load need no redraw. */
const LOAD_STEPS = 24;

export interface CellState {
  readonly name: string;
  /** 0: none. */
  readonly tier: number;
  /** 0 to 1, quantised. */
  readonly load: number;
  readonly running: number;
  readonly problem: CellProblem | undefined;
}

export function cellStateOf(row: WorkerRow, load: LiveLoad | undefined): CellState {
  const share = loadShare(row, load) ?? 0;
  return {
    name: row.name,
    tier: row.tier ?? 0,
    load: Math.round(share * LOAD_STEPS) / LOAD_STEPS,
    running: load?.running ?? 0,
    problem: cellProblemOf(row, load),
  };
}

/** Whether the cell must be redrawn. Running tasks do not count: they are drawn on the canvas above. */
export function needsRedraw(a: CellState | undefined, b: CellState): boolean {
  return !a || a.load !== b.load || a.problem !== b.problem || a.tier !== b.tier || a.name !== b.name;
}

/** Load, 0 to 1: the maximum of CPU and GPU, or if not measured the share of slots in use. Undefined: unknown. */
export function loadShare({ slots }: WorkerRow, load: LiveLoad | undefined): number | undefined {
  if (!load) return undefined;
  const measured = Math.max(load.cpu, load.gpu);
  if (measured >= 0) return measured / 100;
  return slots > 0 ? Math.min(1, load.running / slots) : undefined;
}

export function cellProblemOf({ state, services }: WorkerRow, load: LiveLoad | undefined): CellProblem | undefined {
  if (state === 'offline' || state === 'away') return state;
  if (services.some((service) => service.state === 'unhealthy')) return 'unhealthy';
  if (load && load.celsius >= HOT_CELSIUS) return 'hot';
  return state === 'draining' ? 'draining' : undefined;
}

/** "attic, tier 2, online, 42 % busy, 3 tasks running": the text alternative of a cell. */
export function describeWorker(row: WorkerRow, load: LiveLoad | undefined): string {
  const share = loadShare(row, load);
  const problem = cellProblemOf(row, load);
  return [
    row.name,
    row.tier ? `tier ${row.tier}` : 'no tier',
    row.state,
    ...(problem && problem !== row.state ? [PROBLEM_NAMES[problem]] : []),
    ...(share === undefined ? [] : [`${Math.round(share * 100)} % busy`]),
    ...(load ? [`${count(load.running, 'task')} running`] : []),
  ].join(', ');
}
