/** What a step sends to one session, as messages in their order, in one write. */
import type { Down } from '@rma/protocol/down';
import { LIMITS } from '@rma/protocol/limits';
import type { Chunk } from '@rma/protocol/task';
import type { Outgoing } from '../core/effects.js';
import type { Connection } from './connection.js';

/** About how many payload bytes go into one list, so that no message outgrows a frame. */
const BATCH_BYTES = 262_144;

/** Reads stored chunks for a late watcher. */
export type ReadChunks = (
  seq: number,
  attempt: number,
  after: number,
  upTo: number,
  limit: number,
) => { chunk: number; data: Uint8Array }[];

/** Splits a list so that each part stays below the limits of a frame and of a list. */
export function* parts<T>(items: readonly T[], bytesOf: (item: T) => number): Generator<T[]> {
  let part: T[] = [];
  let bytes = 0;
  for (const item of items) {
    const size = bytesOf(item) + 128;
    if (part.length > 0 && (bytes + size > BATCH_BYTES || part.length >= LIMITS.maxItems)) {
      yield part;
      part = [];
      bytes = 0;
    }
    part.push(item);
    bytes += size;
  }
  if (part.length > 0) yield part;
}

const small = () => 64;

function* messages(outgoing: Outgoing, readChunks: ReadChunks): Generator<Down> {
  for (const { ref, about, error } of outgoing.errors) {
    yield { type: 'error', error, ...(ref === undefined ? {} : { ref }), ...(about === undefined ? {} : { about }) };
  }
  for (const { ref, result } of outgoing.replies) yield { type: 'reply', ref, result };
  for (const tasks of parts(outgoing.accepted, small)) yield { type: 'accepted', tasks };
  for (const tasks of parts(outgoing.refused, small)) yield { type: 'refused', tasks };
  if (outgoing.assignment) yield { type: 'assign', assignment: outgoing.assignment };
  if (outgoing.acknowledgedResults.length > 0 || outgoing.acknowledgedChunks.size > 0) {
    yield {
      type: 'acknowledged',
      ...(outgoing.acknowledgedResults.length > 0 ? { results: outgoing.acknowledgedResults } : {}),
      ...(outgoing.acknowledgedChunks.size > 0 ? { chunks: [...outgoing.acknowledgedChunks.values()] } : {}),
    };
  }
  if (outgoing.stops.length > 0) yield { type: 'stop', attempts: outgoing.stops };
  for (const tasks of parts(outgoing.dispatches, (task) => task.input.length)) yield { type: 'dispatch', tasks };
  for (const tasks of parts(outgoing.changed, small)) yield { type: 'changed', tasks };
  for (const { task, seq, attempt, after, upTo } of outgoing.replays) {
    for (let from = after; ; ) {
      const stored = readChunks(seq, attempt, from, upTo, 256);
      const chunks = stored.map(({ chunk, data }) => ({ task, attempt, chunk, data }));
      for (const part of parts(chunks, chunkBytes)) yield { type: 'chunks', chunks: part };
      if (stored.length < 256) break;
      from = stored[stored.length - 1]!.chunk;
    }
  }
  for (const chunks of parts(outgoing.chunks, chunkBytes)) yield { type: 'chunks', chunks };
  for (const tasks of parts(outgoing.ended, (end) => end.output?.length ?? 64)) yield { type: 'ended', tasks };
}

const chunkBytes = (chunk: Chunk): number => chunk.data.length;

/** Somebody waits for work or for a result, rather than for a receipt. */
export function isUrgent(outgoing: Outgoing): boolean {
  return outgoing.dispatches.length > 0 || outgoing.ended.length > 0;
}

/** Sends all of it. The welcome comes first; a close, after everything else. */
export function deliver(connection: Connection, outgoing: Outgoing, nowMs: number, readChunks: ReadChunks): void {
  connection.socket.cork(() => {
    if (outgoing.welcome) connection.send(outgoing.welcome, nowMs);
    for (const message of messages(outgoing, readChunks)) connection.send(message, nowMs);
  });
  if (outgoing.close) {
    const { name, message, reconnectAfterMs } = outgoing.close;
    connection.goodbye(name, message, nowMs, reconnectAfterMs);
  }
}
