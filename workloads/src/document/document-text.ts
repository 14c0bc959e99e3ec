/** What the readers of documents share: tidy text and titles, and the failures of a damaged or too large file. */

import { errorMessage } from '@rma/protocol/error';
import { invalid } from '../input.js';
import { TaskError } from '../runtime.js';

/** One kind of line end, no blanks at the ends of lines, no more than one empty line in a row. */
export function tidy(text: string): string {
  const lines = text.split(/\r\n?|\n/).map((line) => line.trimEnd());
  return lines
    .join('\n')
    .replace(/\n{3,}/g, '\n\n')
    .trim();
}

/** The title as a property, when there is one. */
export function titleOf(title: unknown): { title?: string } {
  return typeof title === 'string' && title.trim() !== '' ? { title: title.replace(/\s+/g, ' ').trim() } : {};
}

/** The file cannot be read; sending it again will not help. */
export function damaged(what: string, error: unknown): TaskError {
  const why = errorMessage(error);
  return new TaskError(
    'input.damaged',
    `input.file: the ${what} is damaged (${why}). Export it again, or send the whole file.`,
  );
}

/** Reading this file would pass the memory limit. */
export function tooLarge(most: string, got: string): TaskError {
  return invalid('input.file', `expected at most ${most}, got ${got}; split it into several documents`);
}
