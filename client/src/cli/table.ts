/** Rows of text as aligned columns. Sanitises the cells for a terminal. Pure. */
import { plainLine } from './plain.js';

const width = (text: string) => [...text].length;

/** @param heading in capitals by convention; without rows, only the heading */
export function table(heading: readonly string[], rows: readonly (readonly string[])[]): string {
  const cells = [heading, ...rows].map((row) => row.map(plainLine));
  const widths = heading.map((_, column) => Math.max(...cells.map((row) => width(row[column] ?? ''))));
  return cells
    .map((row) =>
      row
        .map((cell, column) => cell + ' '.repeat((widths[column] ?? 0) - width(cell)))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}
