/** The columns of a table: how wide they are, and in which order they put its rows. Pure. */
export interface TableColumn {
  readonly id: string;
  readonly label: string;
  /** px, at least */
  readonly width: number;
  /** Share of the room that is left; 0: none. */
  readonly grow?: number;
  readonly align?: 'start' | 'end';
  readonly isSortable?: boolean;
}

export interface TableSort {
  readonly column: string;
  readonly isDescending: boolean;
}

/** px: beside the rows, between the columns, and of a row's box with the gap after it. */
export const PADDING = 16;
export const GAP = 16;
const BOX = 40;

/** Tracks of a grid, as CSS wants them. Without columns a row is one card. */
export function tracksOf(columns: readonly TableColumn[] | undefined, hasBoxes: boolean): string {
  const cells = columns?.map(({ width, grow }) => (grow ? `minmax(${width}px, ${grow}fr)` : `${width}px`));
  return [...(hasBoxes ? [`${BOX - GAP}px`] : []), ...(cells ?? ['minmax(0, 1fr)'])].join(' ');
}

/** px that the rows need; below it they scroll sideways. Cards take what there is. */
export function leastWidthOf(columns: readonly TableColumn[] | undefined, hasBoxes: boolean): number {
  if (columns === undefined) return 0;
  const cells = columns.reduce((sum, { width }) => sum + width, 0);
  return cells + GAP * (columns.length - 1) + (hasBoxes ? BOX : 0) + 2 * PADDING;
}

/** What a press on a column's header asks for: the other way round, or by it, figures from the highest. */
export function sortBy({ id, align }: TableColumn, sort: TableSort | undefined): TableSort {
  return { column: id, isDescending: sort?.column === id ? !sort.isDescending : align === 'end' };
}
