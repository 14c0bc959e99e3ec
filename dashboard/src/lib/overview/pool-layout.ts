/**
 * The layout of the pool picture: one group per tier, cells in rows, as large as fits. Pure; all lengths in px. Cells
 * are in the order of joining, so a cell keeps its position.
 */

import type { WorkerRow } from '@rma/client';

/** A size of cells, px. `named`: with room for the worker's name. */
export interface CellForm {
  readonly width: number;
  readonly height: number;
  readonly gap: number;
  readonly named: boolean;
}

/** Largest first. */
const FORMS: readonly CellForm[] = [
  { width: 148, height: 46, gap: 8, named: true },
  { width: 108, height: 36, gap: 6, named: true },
  { width: 56, height: 56, gap: 7, named: false },
  { width: 46, height: 46, gap: 6, named: false },
  { width: 40, height: 40, gap: 6, named: false },
  { width: 34, height: 34, gap: 5, named: false },
  { width: 26, height: 26, gap: 4, named: false },
  { width: 20, height: 20, gap: 3, named: false },
  { width: 16, height: 16, gap: 3, named: false },
  { width: 13, height: 13, gap: 2, named: false },
  { width: 10, height: 10, gap: 2, named: false },
  { width: 8, height: 8, gap: 1, named: false },
];
/** From top to bottom. */
const TIERS = [1, 2, 3, 0] as const;
const LABEL_HEIGHT = 26;
const GROUP_GAP = 18;

export interface TierGroup {
  /** 0: none. */
  readonly tier: number;
  readonly ids: readonly string[];
}

export interface PlacedGroup {
  readonly tier: number;
  /** Of its label, px from the top. */
  readonly top: number;
  /** Of its first row of cells. */
  readonly cellsTop: number;
  /** Index of its first cell in `ids`. */
  readonly first: number;
  readonly count: number;
}

export interface PoolLayout {
  readonly form: CellForm;
  readonly columns: number;
  readonly width: number;
  readonly height: number;
  readonly groups: readonly PlacedGroup[];
  /** In reading order. */
  readonly ids: readonly string[];
  readonly indexOf: ReadonlyMap<string, number>;
  /** The left upper corners, by index. */
  readonly x: Float32Array;
  readonly y: Float32Array;
}

/** By tier, in the order of joining; without revoked workers. */
export function groupsOf(rows: Iterable<WorkerRow>): TierGroup[] {
  const byTier = new Map<number, WorkerRow[]>(TIERS.map((tier) => [tier, []]));
  for (const row of rows) if (row.state !== 'revoked') byTier.get(row.tier ?? 0)?.push(row);
  return TIERS.map((tier) => ({
    tier,
    ids: byTier
      .get(tier)!
      .sort((a, b) => a.joinedAt - b.joinedAt || (a.id < b.id ? -1 : 1))
      .map(({ id }) => id),
  }));
}

/** The largest cells with which all fit into `height`; if even the smallest do not, the result is higher. */
export function layoutPool(groups: readonly TierGroup[], width: number, height: number): PoolLayout {
  const shown = groups.filter(({ ids }) => ids.length > 0);
  const form = FORMS.find((one) => heightOf(shown, one, width) <= height) ?? FORMS.at(-1)!;
  const columns = columnsOf(form, width);
  const ids = shown.flatMap((group) => group.ids);
  const x = new Float32Array(ids.length);
  const y = new Float32Array(ids.length);
  const placed: PlacedGroup[] = [];
  let top = 0;
  let first = 0;
  for (const { tier, ids: members } of shown) {
    const cellsTop = top + LABEL_HEIGHT;
    for (let i = 0; i < members.length; i++) {
      x[first + i] = (i % columns) * (form.width + form.gap);
      y[first + i] = cellsTop + Math.floor(i / columns) * (form.height + form.gap);
    }
    placed.push({ tier, top, cellsTop, first, count: members.length });
    top = cellsTop + rowsHeight(members.length, form, columns) + GROUP_GAP;
    first += members.length;
  }
  return {
    form,
    columns,
    width,
    height: Math.max(0, top - GROUP_GAP),
    groups: placed,
    ids,
    indexOf: new Map(ids.map((id, i) => [id, i])),
    x,
    y,
  };
}

/**
 * The index of the cell at a point, or -1. A gap belongs to the cell before it, so that the hover card does not
 * flicker.
 */
export function cellAt({ form, columns, groups }: PoolLayout, x: number, y: number): number {
  const column = Math.floor(x / (form.width + form.gap));
  if (x < 0 || column >= columns) return -1;
  for (const { cellsTop, first, count } of groups) {
    const row = Math.floor((y - cellsTop) / (form.height + form.gap));
    if (row < 0) continue;
    const index = row * columns + column;
    if (index < count) return first + index;
  }
  return -1;
}

export type Step = 'ArrowLeft' | 'ArrowRight' | 'ArrowUp' | 'ArrowDown' | 'Home' | 'End';
const STEPS: readonly string[] = ['ArrowLeft', 'ArrowRight', 'ArrowUp', 'ArrowDown', 'Home', 'End'];

export function isStep(key: string): key is Step {
  return STEPS.includes(key);
}

/** The cell that a key leads to; at the edge the same one. */
export function stepFrom(layout: PoolLayout, index: number, step: Step): number {
  const { ids, groups, columns } = layout;
  const last = ids.length - 1;
  if (step === 'Home') return 0;
  if (step === 'End') return last;
  if (step === 'ArrowLeft') return Math.max(0, index - 1);
  if (step === 'ArrowRight') return Math.min(last, index + 1);
  const at = groups.findIndex(({ first, count }) => index >= first && index < first + count);
  const group = groups[at];
  if (!group) return index;
  const inGroup = index - group.first;
  const column = inGroup % columns;
  const row = Math.floor(inGroup / columns);
  const lastRow = Math.floor((group.count - 1) / columns);
  if (step === 'ArrowUp') {
    if (row > 0) return index - columns;
    const above = groups[at - 1];
    return above ? above.first + inRow(above, Math.floor((above.count - 1) / columns), column, columns) : index;
  }
  if (row < lastRow) return group.first + inRow(group, row + 1, column, columns);
  const below = groups[at + 1];
  return below ? below.first + inRow(below, 0, column, columns) : index;
}

/** Index, within a group, of the cell in this row that is nearest to the column. */
function inRow({ count }: PlacedGroup, row: number, column: number, columns: number): number {
  return Math.min(count - 1, row * columns + column);
}

function columnsOf({ width: cell, gap }: CellForm, width: number): number {
  return Math.max(1, Math.floor((width + gap) / (cell + gap)));
}

function rowsHeight(count: number, { height, gap }: CellForm, columns: number): number {
  return Math.ceil(count / columns) * (height + gap) - gap;
}

function heightOf(groups: readonly TierGroup[], form: CellForm, width: number): number {
  const columns = columnsOf(form, width);
  return groups.reduce(
    (sum, { ids }) => sum + LABEL_HEIGHT + rowsHeight(ids.length, form, columns) + GROUP_GAP,
    -GROUP_GAP,
  );
}
