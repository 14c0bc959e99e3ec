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
import { capacityGrew } from './state.js';
import { submit } from './submit.js';
import type { Task } from './task.js';
import { cancel, cancels } from './task-actions.js';
import { emit, type Turn } from './turn.js';
import { unwatch, watch } from './watch.js';
import type { Worker } from './worker.js';

/** What a prefetch can look up for the second half of a row, the blobs. */
export interface Lookup {
  /** Whose session sent the message; undefined if it has none. */
  subject(): string | undefined;
  /** Held, or just fetched. */
  task(id: string): Task | undefined;
}

interface Row<T extends CoreMessageType> {
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
    handle: watch,
    tasks: ({ tasks }, need) => {
      for (const { task } of tasks) need(task);
    },
    blobs: null,
    readOnly: 'handle',
  },
  unwatch: { from: 'session', handle: unwatch, tasks: null, blobs: null, readOnly: 'handle' },
  cancel: {
    from: 'session',
    handle: cancel,
    tasks: ({ task }, need) => need(task),
    blobs: null,
    readOnly: 'refuse',
  },
  cancels: {
    from: 'session',
    handle: cancels,
    tasks: ({ tasks }, need) => {
      for (const task of tasks) need(task);
    },
    blobs: null,
    readOnly: 'refuse',
  },
  act: {
    from: 'session',
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
  chunks: { from: 'worker', handle: chunks, tasks: null, blobs: null, readOnly: 'drop' },
  progress: { from: 'worker', handle: progress, tasks: null, blobs: null, readOnly: 'drop' },
  services: {
    from: 'worker',
    handle: reportServices,
    tasks: null,
    blobs: null,
    readOnly: 'drop',
  },
  sample: {
    from: 'worker',
    handle: (turn, worker, { load }) => {
      worker.load = load;
      turn.effects.loads.add(worker);
    },
    tasks: null,
    blobs: null,
    readOnly: 'drop',
  },
  leave: { from: 'worker', handle: leave, tasks: null, blobs: null, readOnly: 'drop' },
  policy: { from: 'worker', handle: applyPolicy, tasks: null, blobs: null, readOnly: 'drop' },
  drain: { from: 'worker', handle: drain, tasks: null, blobs: null, readOnly: 'drop' },
};

/** The row of a message's type. The cast joins what the compiler keeps apart: a message and the row of that message. */
export function rowOf(message: CoreMessage): SessionRow<CoreMessageType> | WorkerRow<CoreMessageType> {
  return MESSAGES[message.type] as unknown as SessionRow<CoreMessageType> | WorkerRow<CoreMessageType>;
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
  else for (const { service } of worker.services.values()) capacityGrew(turn.state, worker, service.kinds);
}
