/** Where a key leads from a row. Pure. */

/** Rows that a page-up or page-down moves by. */
const PAGE = 10;

/** @returns the place of the row, within the table; undefined for a key that leads nowhere */
export function placeAfter(key: string, from: number, count: number): number | undefined {
  switch (key) {
    case 'ArrowDown':
      return Math.min(count - 1, from + 1);
    case 'ArrowUp':
      return Math.max(0, from - 1);
    case 'PageDown':
      return Math.min(count - 1, from + PAGE);
    case 'PageUp':
      return Math.max(0, from - PAGE);
    case 'Home':
      return 0;
    case 'End':
      return count - 1;
    default:
      return undefined;
  }
}
