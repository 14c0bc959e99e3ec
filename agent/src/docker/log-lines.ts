/** What a container wrote, as lines with their time. Pure. */
import type { LogLine } from '@rma/workloads/runtime';
import type { LogPiece } from './engine/log-frames.js';
import { plainLine } from './reasons.js';

const MAX_LINE = 2_000;

export function linesOf(pieces: readonly LogPiece[]): LogLine[] {
  return pieces.flatMap(({ stream, bytes }) =>
    bytes
      .toString('utf8')
      .split('\n')
      .flatMap((line): LogLine[] => {
        if (line === '') return [];
        const space = line.indexOf(' ');
        const at = space > 0 && /^\d{4}-\d\d-\d\dT/.test(line) ? line.slice(0, space) : '';
        return [{ at, stream, text: plainLine(at === '' ? line : line.slice(space + 1), MAX_LINE) }];
      }),
  );
}

/** The last line that says something. */
export function lastLine(pieces: readonly LogPiece[]): string {
  return linesOf(pieces).findLast(({ text }) => text !== '')?.text ?? '';
}
