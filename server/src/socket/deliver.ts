/** What a step sends to one session: messages in a fixed order, corked into one write. Lists are split to fit a frame. */
import type { Down } from '@rma/protocol/down';
import { LIMITS } from '@rma/protocol/limits';
import type { Chunk } from '@rma/protocol/task';
import { isEmpty, type Outgoing } from '../core/effects.js';
import type { Connection } from './connection.js';

/** About how many payload bytes go into one message's list: `BATCH_BYTES` + one item stays below a frame's limit. */
const BATCH_BYTES = 262_144;
/** An item without its payload: ids, numbers, keys. */
const ITEM_BYTES = 128;
/** Rows that one look-up of stored chunks may answer. */
const REPLAY_ROWS = 256;

/** Reads stored chunks for a late watcher: `after < chunk <= upTo`, in order. */
export type ReadChunks = (
  seq: number,
  attempt: number,
  after: number,
  upTo: number,
  limit: number,
) => { chunk: number; data: Uint8Array }[];

interface Sender {
  send(message: Down): void;
  readonly readChunks: ReadChunks;
  readonly outgoing: Outgoing;
}

type Write<K extends keyof Outgoing> = (value: NonNullable<Outgoing[K]>, sender: Sender) => void;

/**
 * How each field of `Outgoing` is sent, in the order of sending. A field without a row does not compile; `null` is for
 * the one that is no message: the close, which comes after everything else.
 */
const WRITES: { readonly [K in keyof Outgoing]: Write<K> | null } = {
  welcome: (welcome, { send }) => send(welcome),
  errors: (errors, { send }) => {
    for (const { ref, about, error } of errors) {
      send({ type: 'error', error, ...(ref === undefined ? {} : { ref }), ...(about === undefined ? {} : { about }) });
    }
  },
  replies: (replies, { send }) => {
    for (const { ref, result } of replies) send({ type: 'reply', ref, result });
  },
  accepted: (ids, { send }) => {
    for (const tasks of split(ids, small)) send({ type: 'accepted', tasks });
  },
  refused: (refusals, { send }) => {
    for (const tasks of split(refusals, small)) send({ type: 'refused', tasks });
  },
  assignment: (assignment, { send }) => send({ type: 'assign', assignment }),
  acknowledgedResults: (results, { send, outgoing: { acknowledgedChunks } }) =>
    send({
      type: 'acknowledged',
      results,
      ...(acknowledgedChunks.size > 0 ? { chunks: [...acknowledgedChunks.values()] } : {}),
    }),
  acknowledgedChunks: (chunks, { send, outgoing: { acknowledgedResults } }) => {
    // With results they left in one message.
    if (acknowledgedResults.length === 0) send({ type: 'acknowledged', chunks: [...chunks.values()] });
  },
  stops: (attempts, { send }) => send({ type: 'stop', attempts }),
  dispatches: (dispatches, { send }) => {
    for (const tasks of split(dispatches, ({ input }) => input.length)) send({ type: 'dispatch', tasks });
  },
  changed: (changes, { send }) => {
    for (const tasks of split(changes, small)) send({ type: 'changed', tasks });
  },
  replays: (replays, { send, readChunks }) => {
    for (const { task, seq, attempt, after, upTo } of replays) {
      for (let from = after; ; ) {
        const rows = readChunks(seq, attempt, from, upTo, REPLAY_ROWS);
        const chunks = rows.map(({ chunk, data }) => ({ task, attempt, chunk, data }));
        for (const part of split(chunks, chunkBytes)) send({ type: 'chunks', chunks: part });
        if (rows.length < REPLAY_ROWS) break;
        from = rows[rows.length - 1]!.chunk;
      }
    }
  },
  chunks: (chunks, { send }) => {
    for (const part of split(chunks, chunkBytes)) send({ type: 'chunks', chunks: part });
  },
  ended: (ends, { send }) => {
    for (const tasks of split(ends, ({ output }) => output?.length ?? 64)) send({ type: 'ended', tasks });
  },
  close: null,
};

const FIELDS = Object.keys(WRITES) as (keyof Outgoing)[];

const small = () => 64;
const chunkBytes = (chunk: Chunk): number => chunk.data.length;

/** Consecutive parts of a list, each within a message's limits of bytes and items. */
function* split<T>(items: readonly T[], bytesOf: (item: T) => number): Generator<T[]> {
  let part: T[] = [];
  let bytes = 0;
  for (const item of items) {
    const size = bytesOf(item) + ITEM_BYTES;
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

/** Whether a peer waits for this (work, or a task's end), rather than for an acknowledgement. */
export function isUrgent(outgoing: Outgoing): boolean {
  return outgoing.dispatches.length > 0 || outgoing.ended.length > 0;
}

/** Sends all of it in one write. The welcome comes first; a close, after everything else. */
export function deliver(connection: Connection, outgoing: Outgoing, nowMs: number, readChunks: ReadChunks): void {
  const sender: Sender = { send: (message) => connection.send(message, nowMs), readChunks, outgoing };
  connection.socket.cork(() => {
    for (const field of FIELDS) {
      const value = outgoing[field];
      if (!isEmpty(value)) (WRITES[field] as Write<typeof field> | null)?.(value as never, sender);
    }
  });
  if (outgoing.close) {
    const { name, message, reconnectAfterMs } = outgoing.close;
    connection.goodbye(name, message, nowMs, reconnectAfterMs);
  }
}
