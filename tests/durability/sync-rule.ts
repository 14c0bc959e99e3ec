/**
 * The rule that "accepted", "dispatched" and "acknowledged" mean on disk, checked on a trace: between reading what
 * caused a message and sending it, the database's log was synced, and at that moment nothing in it was unsynced.
 */
import type { Down } from '@rma/protocol/down';
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

function* promisesOf(sent: TracedMessage<Down>, read: readonly TracedMessage<Up>[]): Generator<Promised> {
  const { message, socket, at } = sent;
  const files = [LOG];
  /** Where the first message was read that fits, or the last one before this left. */
  const first = <T extends UpType>(type: T, fits: (message: UpOf<T>, from: string) => boolean, last = false) => {
    const found = read.filter((r) => r.at < at && r.message.type === type && fits(r.message as UpOf<T>, r.socket));
    return found.at(last ? -1 : 0)?.at;
  };
  const submitted = (id: string) => first('submit', ({ tasks }) => tasks.some((task) => task.id === id));
  switch (message.type) {
    case 'welcome':
      if (message.worker?.credential) {
        yield { what: 'welcome with a credential', cause: first('hello', (_, from) => from === socket), files };
      }
      return;
    case 'accepted':
      for (const id of message.tasks) yield { what: `accepted ${id}`, cause: submitted(id), files };
      return;
    case 'dispatch':
      for (const { task, attempt } of message.tasks) {
        // What freed the slot, or offered it, came from the worker itself; what is dispatched, from a client.
        const freed = first('results', (_, from) => from === socket, true) ?? 0;
        const cause = submitted(task);
        const latest = cause === undefined ? undefined : Math.max(cause, freed);
        yield { what: `dispatch ${task}#${attempt}`, cause: latest, files };
      }
      return;
    case 'acknowledged':
      for (const { task, attempt } of message.results ?? []) {
        const names = ({ results }: UpOf<'results'>) => results.some((r) => r.task === task && r.attempt === attempt);
        yield { what: `acknowledged ${task}#${attempt}`, cause: first('results', names), files };
      }
      for (const { task, attempt, chunk } of message.chunks ?? []) {
        const names = ({ chunks }: UpOf<'chunks'>) =>
          chunks.some((c) => c.task === task && c.attempt === attempt && c.chunk === chunk);
        yield { what: `chunk ${task}#${attempt}.${chunk} acknowledged`, cause: first('chunks', names), files };
      }
      return;
    case 'chunks':
      for (const { task, chunk } of message.chunks) {
        const names = ({ chunks }: UpOf<'chunks'>) => chunks.some((c) => c.task === task && c.chunk === chunk);
        yield { what: `chunks ${task}.${chunk}`, cause: first('chunks', names), files };
      }
      return;
    case 'ended':
      for (const { task, state } of message.tasks) {
        const cause =
          state === 'cancelled'
            ? first('cancel', (cancel) => cancel.task === task)
            : first('results', ({ results }) => results.some((result) => result.task === task));
        yield { what: `ended ${task}`, cause, files };
      }
      return;
    case 'reply': {
      const { ref } = message;
      const asked = (m: { ref: number }, from: string) => m.ref === ref && from === socket;
      const cause = first('act', asked) ?? first('cancel', asked);
      if (cause !== undefined) yield { what: `reply ${ref}`, cause, files };
      return;
    }
    case 'blob.stored': {
      const ended = first('stream.end', ({ stream }, from) => stream === message.stream && from === socket);
      yield { what: `blob.stored ${message.blob}`, cause: ended, files: [...BLOB, LOG] };
      return;
    }
  }
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
