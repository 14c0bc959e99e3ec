/**
 * The rule that "accepted", "dispatched" and "acknowledged" mean on disk, checked on a trace: between reading what
 * caused a message and sending it, the database's log was synced, and at that moment nothing in it was unsynced.
 */
import type { Down, DownOf } from '@rma/protocol/down';
import type { Up, UpOf, UpType } from '@rma/protocol/up';
import type { SystemCall } from './strace.js';
import { type TracedMessage, tracedMessages } from './traced-messages.js';

export interface Verdict {
  /** Promises that left, by type of message. */
  readonly promises: ReadonlyMap<string, number>;
  /** Those that left too early, each in a line. */
  readonly broken: readonly string[];
}

interface Promised {
  readonly what: string;
  /** What it answers; undefined when the trace shows no cause. */
  readonly cause: number | undefined;
  /** Files that had to be synced, by the end of their path or a part of it. */
  readonly files: readonly RegExp[];
}

const LOG = /pool\.db-wal$/;
/** The bytes, the directory that names them, and the one that names that. */
const BLOB = [/\/blobs\/parts\//, /\/blobs\/[0-9a-f]{2}$/, /\/blobs$/];

export function judgeTrace(calls: readonly SystemCall[]): Verdict {
  const { read, sent } = tracedMessages(calls);
  const promises = new Map<string, number>();
  const broken: string[] = [];
  for (const message of sent) {
    for (const { what, cause, files } of promisesOf(message, read)) {
      const [type = ''] = what.split(' ');
      promises.set(type, (promises.get(type) ?? 0) + 1);
      if (cause === undefined) broken.push(`${what}: nothing was read that asks for it`);
      else {
        for (const file of files) {
          if (!synced(calls, file, cause, message.at)) broken.push(`${what}: no sync of ${file} before it left`);
        }
      }
      if (unsynced(calls, message.at)) broken.push(`${what}: left while the log had writes that were not synced`);
    }
  }
  return { promises, broken };
}

/** What was read before a message left. */
class Before {
  readonly socket: string;
  readonly #read: readonly TracedMessage<Up>[];

  constructor({ socket, at }: TracedMessage<Down>, read: readonly TracedMessage<Up>[]) {
    this.socket = socket;
    this.#read = read.filter((message) => message.at < at);
  }

  /** When the first message was read that fits. */
  first<T extends UpType>(type: T, fits: (message: UpOf<T>, from: string) => boolean): number | undefined {
    return this.#read.find((r) => r.message.type === type && fits(r.message as UpOf<T>, r.socket))?.at;
  }

  /** When the last message of a type was read from the socket that this one was sent to. */
  lastOwn(type: UpType): number | undefined {
    return this.#read.findLast((r) => r.message.type === type && r.socket === this.socket)?.at;
  }

  submitted(id: string): number | undefined {
    return this.first('submit', ({ tasks }) => tasks.some((task) => task.id === id));
  }
}

/** What each type of message promises. Other types promise nothing. */
const PROMISES: { readonly [T in Down['type']]?: (message: DownOf<T>, before: Before) => Promised[] } = {
  welcome: ({ worker }, before) => {
    if (!worker?.credential) return [];
    const cause = before.first('hello', (_, from) => from === before.socket);
    return [{ what: 'welcome with a credential', cause, files: [LOG] }];
  },
  accepted: ({ tasks }, before) =>
    tasks.map((id) => ({ what: `accepted ${id}`, cause: before.submitted(id), files: [LOG] })),
  dispatch: ({ tasks }, before) =>
    tasks.map(({ task, attempt }) => {
      // Two causes: the submit, and the result of the worker's that freed the slot, if there was any.
      const submitted = before.submitted(task);
      const cause = submitted === undefined ? undefined : Math.max(submitted, before.lastOwn('results') ?? 0);
      return { what: `dispatch ${task}#${attempt}`, cause, files: [LOG] };
    }),
  acknowledged: ({ results = [], chunks = [] }, before) => [
    ...results.map(({ task, attempt }) => {
      const cause = before.first('results', (m) => m.results.some((r) => r.task === task && r.attempt === attempt));
      return { what: `acknowledged ${task}#${attempt}`, cause, files: [LOG] };
    }),
    ...chunks.map(({ task, attempt, chunk }) => {
      const cause = before.first('chunks', (m) =>
        m.chunks.some((c) => c.task === task && c.attempt === attempt && c.chunk === chunk),
      );
      return { what: `chunk ${task}#${attempt}.${chunk} acknowledged`, cause, files: [LOG] };
    }),
  ],
  chunks: ({ chunks }, before) =>
    chunks.map(({ task, chunk }) => {
      const cause = before.first('chunks', (m) => m.chunks.some((c) => c.task === task && c.chunk === chunk));
      return { what: `chunks ${task}.${chunk}`, cause, files: [LOG] };
    }),
  ended: ({ tasks }, before) =>
    tasks.map(({ task, state }) => {
      const cause =
        state === 'cancelled'
          ? (before.first('cancel', (cancel) => cancel.task === task) ??
            before.first('cancels', ({ tasks }) => tasks.includes(task)))
          : before.first('results', ({ results }) => results.some((result) => result.task === task));
      return { what: `ended ${task}`, cause, files: [LOG] };
    }),
  reply: ({ ref }, before) => {
    const asks = (m: { ref: number }, from: string) => m.ref === ref && from === before.socket;
    const cause = before.first('act', asks) ?? before.first('cancel', asks) ?? before.first('cancels', asks);
    return cause === undefined ? [] : [{ what: `reply ${ref}`, cause, files: [LOG] }];
  },
  'blob.stored': ({ stream, blob }, before) => {
    const cause = before.first('stream.end', (end, from) => end.stream === stream && from === before.socket);
    return [{ what: `blob.stored ${blob}`, cause, files: [...BLOB, LOG] }];
  },
};

function promisesOf(sent: TracedMessage<Down>, read: readonly TracedMessage<Up>[]): Promised[] {
  const promises = PROMISES[sent.message.type] as ((message: Down, before: Before) => Promised[]) | undefined;
  return promises?.(sent.message, new Before(sent, read)) ?? [];
}

const SYNCS = new Set(['fsync', 'fdatasync']);

function synced(calls: readonly SystemCall[], file: RegExp, after: number, before: number): boolean {
  return calls.some(
    (call) =>
      SYNCS.has(call.name) && call.result === 0 && file.test(call.target) && call.began > after && call.ended < before,
  );
}

/** Whether the log's last write before this moment was not synced by then. */
function unsynced(calls: readonly SystemCall[], before: number): boolean {
  const last = calls.findLast((call) => call.name === 'pwrite64' && LOG.test(call.target) && call.began < before);
  return last !== undefined && !synced(calls, LOG, last.began, before);
}
