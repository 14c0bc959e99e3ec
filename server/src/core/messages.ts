/**
 * Every message that reaches the core, in one table: what of it must be fetched beforehand, what becomes of it while
 * nothing can be written, and who handles it. A message without a row does not compile.
 */
import type { UpOf } from '@rma/protocol/up';
import { act, leave } from './admin-actions.js';
import { chunks, progress, results } from './attempts.js';
import type { CoreMessage, CoreMessageType, MessageInput } from './inputs.js';
import { applyPolicy } from './placement/changes.js';
import { reportServices } from './services.js';
import type { Session } from './session.js';
import { submit } from './submit.js';
import type { Task } from './task.js';
import { cancel, cancels } from './task-actions.js';
import { emit, type Turn } from './turn.js';
import { unwatch, watch } from './watch.js';
import type { Worker } from './worker.js';

/** Items of a part: with the largest rows that they may name, 8 MiB are fetched for it. */
const MAX_PART_ITEMS = 64;

/** What a prefetch can look up for the second half of a row, the blobs. */
export interface Lookup {
  /** Whose session sent the message; undefined if it has none. */
  subject(): string | undefined;
  /** Held, or just fetched. */
  task(id: string): Task | undefined;
}

/** Of the messages that hold a list, its name. */
type ListName = 'tasks' | 'results' | 'chunks' | 'services';

interface Row<T extends CoreMessageType> {
  /** The list whose items are its work; null for a message that is one item itself. */
  readonly list: (ListName & keyof UpOf<T>) | null;
  /**
   * How it is cut, so that no message makes a turn long: between any two items, each of which is answered for itself.
   * `once`: items that name the same task are one, the first. Null: it is handled whole, since it has one answer.
   */
  readonly cut: 'once' | 'each' | null;
  /**
   * Calls `need` for each task that the message names: its row is fetched unless the core holds it. Null for a message
   * that names none, or only running attempts, which the core always holds.
   * @param newestId ids grow with time: no task with a greater id exists
   */
  readonly tasks: ((message: UpOf<T>, need: (id: string) => void, newestId: string) => void) | null;
  /** Calls `need` for each blob that the handler checks; null where it checks none. */
  readonly blobs: ((message: UpOf<T>, need: (owner: string, blob: string) => void, lookup: Lookup) => void) | null;
  /** In read-only mode: handled, since it persists nothing; refused with an error; or dropped, since it is sent again. */
  readonly readOnly: 'handle' | 'refuse' | 'drop';
}

/** From any session; the handler answers. */
interface SessionRow<T extends CoreMessageType> extends Row<T> {
  readonly from: 'session';
  readonly handle: (turn: Turn, session: Session, message: UpOf<T>, input: MessageInput) => void;
}

/** From a worker's present session only; from any other it is ignored. */
interface WorkerRow<T extends CoreMessageType> extends Row<T> {
  readonly from: 'worker';
  readonly handle: (turn: Turn, worker: Worker, message: UpOf<T>, session: Session) => void;
}

const MESSAGES: { readonly [T in CoreMessageType]: SessionRow<T> | WorkerRow<T> } = {
  submit: {
    from: 'session',
    list: 'tasks',
    cut: 'once',
    handle: submit,
    tasks: ({ tasks }, need, newestId) => {
      for (const { id } of tasks) if (id <= newestId) need(id);
    },
    blobs: ({ tasks }, need, lookup) => {
      for (const { blobs } of tasks) {
        const owner = blobs?.length ? lookup.subject() : undefined;
        if (owner !== undefined) for (const blob of blobs ?? []) need(owner, blob);
      }
    },
    // Refused by the state's `storageFull`; a repeated submit of an accepted task is still answered.
    readOnly: 'handle',
  },
  watch: {
    from: 'session',
    list: 'tasks',
    cut: 'once',
    handle: watch,
    tasks: ({ tasks }, need) => {
      for (const { task } of tasks) need(task);
    },
    blobs: null,
    readOnly: 'handle',
  },
  unwatch: {
    from: 'session',
    list: 'tasks',
    cut: 'each',
    handle: unwatch,
    tasks: null,
    blobs: null,
    readOnly: 'handle',
  },
  cancel: {
    from: 'session',
    list: null,
    cut: null,
    handle: cancel,
    tasks: ({ task }, need) => need(task),
    blobs: null,
    readOnly: 'refuse',
  },
  cancels: {
    from: 'session',
    list: 'tasks',
    cut: null,
    handle: cancels,
    tasks: ({ tasks }, need) => {
      for (const task of tasks) need(task);
    },
    blobs: null,
    readOnly: 'refuse',
  },
  act: {
    from: 'session',
    list: null,
    cut: null,
    handle: act,
    tasks: ({ action }, need) => {
      if (action.do === 'task.retry') need(action.task);
    },
    blobs: ({ action }, need, lookup) => {
      const task = action.do === 'task.retry' ? lookup.task(action.task) : undefined;
      for (const blob of task?.blobs ?? []) need(task!.owner, blob);
    },
    readOnly: 'refuse',
  },
  results: {
    from: 'worker',
    list: 'results',
    cut: 'each',
    handle: results,
    tasks: (message, need) => {
      for (const { task } of message.results) need(task);
    },
    blobs: (message, need, lookup) => {
      for (const { task: id, blobs } of message.results) {
        const owner = blobs?.length ? lookup.task(id)?.owner : undefined;
        if (owner !== undefined) for (const blob of blobs ?? []) need(owner, blob);
      }
    },
    readOnly: 'drop',
  },
  chunks: { from: 'worker', list: 'chunks', cut: 'each', handle: chunks, tasks: null, blobs: null, readOnly: 'drop' },
  progress: { from: 'worker', list: null, cut: null, handle: progress, tasks: null, blobs: null, readOnly: 'drop' },
  services: {
    from: 'worker',
    list: 'services',
    cut: null,
    handle: reportServices,
    tasks: null,
    blobs: null,
    readOnly: 'drop',
  },
  sample: {
    from: 'worker',
    list: null,
    cut: null,
    handle: (turn, worker, { load }) => {
      worker.load = load;
      turn.effects.loads.add(worker);
    },
    tasks: null,
    blobs: null,
    readOnly: 'drop',
  },
  leave: { from: 'worker', list: null, cut: null, handle: leave, tasks: null, blobs: null, readOnly: 'drop' },
  policy: { from: 'worker', list: null, cut: null, handle: applyPolicy, tasks: null, blobs: null, readOnly: 'drop' },
  drain: { from: 'worker', list: null, cut: null, handle: drain, tasks: null, blobs: null, readOnly: 'drop' },
};

/** The row of a message's type. The cast joins what the compiler keeps apart: a message and the row of that message. */
export function rowOf(message: CoreMessage): SessionRow<CoreMessageType> | WorkerRow<CoreMessageType> {
  return MESSAGES[message.type] as unknown as SessionRow<CoreMessageType> | WorkerRow<CoreMessageType>;
}

/** How many items a message has, beside itself. */
export function itemsOf(message: CoreMessage): number {
  return listOf(message).length;
}

function listOf(message: CoreMessage): readonly unknown[] {
  const { list } = rowOf(message);
  return list === null ? [] : (message as unknown as Record<ListName, readonly unknown[]>)[list];
}

/** The messages as which it is handled: itself, or its items, none named twice, in parts of at most MAX_PART_ITEMS. */
export function cutMessage(input: MessageInput): readonly MessageInput[] {
  const { message } = input;
  const { list, cut } = rowOf(message);
  if (list === null || cut === null) return [input];
  const all = listOf(message);
  const items = cut === 'once' ? once(all) : all;
  if (items.length <= MAX_PART_ITEMS && items.length === all.length) return [input];
  const parts: MessageInput[] = [];
  for (let from = 0; from < items.length; from += MAX_PART_ITEMS) {
    const part = { ...message, [list]: items.slice(from, from + MAX_PART_ITEMS) } as CoreMessage;
    parts.push({ ...input, message: part });
  }
  return parts;
}

/** Without those that name a task which an earlier one names: by its `id` in a submit, as `task` elsewhere. */
function once(items: readonly unknown[]): readonly unknown[] {
  const ids = new Set<string>();
  return (items as readonly { readonly id?: string; readonly task?: string }[]).filter((item) => {
    const id = item.id ?? item.task ?? '';
    return ids.size < ids.add(id).size;
  });
}

export function handleMessage(turn: Turn, input: MessageInput): void {
  // A session may have ended while a message of it was queued.
  const session = turn.state.sessions.get(input.session);
  if (!session) return;
  const { message } = input;
  const row = rowOf(message);
  if (row.from === 'session') {
    row.handle(turn, session, message, input);
    return;
  }
  const worker = session.worker === null ? undefined : turn.state.workers.get(session.worker);
  if (worker?.session === session.id) row.handle(turn, worker, message, session);
}

/** The agent asks for no new tasks, or for tasks again. */
function drain(turn: Turn, worker: Worker, { draining }: UpOf<'drain'>): void {
  worker.leaving = draining;
  turn.state.placementDue = true;
  turn.effects.workers.add(worker);
  if (draining) emit(turn, 'worker.draining', worker.record.id, '', { by: 'worker' });
}
