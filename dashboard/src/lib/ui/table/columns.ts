/** The columns of a table: widths and sort order. Pure. */
export interface TableColumn {
  readonly id: string;
  readonly label: string;
  /** px, at least */
  readonly width: number;
  /** Share of the remaining width; 0: none. */
  readonly grow?: number;
  readonly align?: 'start' | 'end';
  readonly isSortable?: boolean;
}

export interface TableSort {
  readonly column: string;
  readonly isDescending: boolean;
}

/** px: padding of a row, gap between columns, and width of the checkbox with its gap. */
export const PADDING = 16;
export const GAP = 16;
const BOX = 40;

/** `grid-template-columns`. Without columns a row is one card. */
export function tracksOf(columns: readonly TableColumn[] | undefined, hasBoxes: boolean): string {
  const cells = columns?.map(({ width, grow }) => (grow ? `minmax(${width}px, ${grow}fr)` : `${width}px`));
  return [...(hasBoxes ? [`${BOX - GAP}px`] : []), ...(cells ?? ['minmax(0, 1fr)'])].join(' ');
}

/** Minimum width, px; below it the table scrolls sideways. 0 for cards. */
export function leastWidthOf(columns: readonly TableColumn[] | undefined, hasBoxes: boolean): number {
  if (columns === undefined) return 0;
  const cells = columns.reduce((sum, { width }) => sum + width, 0);
  return cells + GAP * (columns.length - 1) + (hasBoxes ? BOX : 0) + 2 * PADDING;
}

/**
 * The sort after a press on a header: reversed if already by this column; right-aligned columns (figures) start
 * descending.
 */
export function sortBy({ id, align }: TableColumn, sort: TableSort | undefined): TableSort {
  return { column: id, isDescending: sort?.column === id ? !sort.isDescending : align === 'end' };
}
