/**
 * A container's log: demultiplexes the frames in which an engine sends standard output and standard error, and parses lines
 * with their time. Pure.
 */
import type { Readable } from 'node:stream';
import type { LogLine } from '@rma/workloads/runtime';
import { plainLine } from '../../plain-line.js';

const MAX_LINE = 2_000;

/** A piece of one of the streams. */
export interface LogPiece {
  readonly stream: 'stdout' | 'stderr';
  readonly bytes: Buffer;
}

/** A frame's header: 1 byte stream (1 stdout, 2 stderr), 3 bytes zero, 4 bytes length, big-endian. */
export async function* demultiplexed(stream: Readable): AsyncGenerator<LogPiece> {
  let rest: Buffer = Buffer.alloc(0);
  for await (const piece of stream) {
    rest = rest.length === 0 ? (piece as Buffer) : Buffer.concat([rest, piece as Buffer]);
    let at = 0;
    while (rest.length - at >= 8) {
      const length = rest.readUInt32BE(at + 4);
      if (rest.length - at < 8 + length) break;
      yield { stream: rest[at] === 2 ? 'stderr' : 'stdout', bytes: rest.subarray(at + 8, at + 8 + length) };
      at += 8 + length;
    }
    rest = rest.subarray(at);
  }
}

/** The same for a complete response. */
export function splitFrames(bytes: Buffer): LogPiece[] {
  const pieces: LogPiece[] = [];
  for (let at = 0; bytes.length - at >= 8; ) {
    const length = bytes.readUInt32BE(at + 4);
    pieces.push({ stream: bytes[at] === 2 ? 'stderr' : 'stdout', bytes: bytes.subarray(at + 8, at + 8 + length) });
    at += 8 + length;
  }
  return pieces;
}

/** The lines of a log that was requested with times. */
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

/** The last line that is not empty. */
export function lastLine(pieces: readonly LogPiece[]): string {
  return linesOf(pieces).findLast(({ text }) => text !== '')?.text ?? '';
}
