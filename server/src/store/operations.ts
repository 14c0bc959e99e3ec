/**
 * What a commit writes, as a list of operations: a statement's number and its values. The journal keeps them as
 * MessagePack until the tables have them, so a later version of this program may run them: numbers are appended, never
 * reused; a statement keeps its meaning; its values may only grow at the end.
 */
import { Packr } from 'msgpackr';
import type { AttemptWrite, Persist, StoredAttempt } from '../core/effects.js';
import type { Task } from '../core/task.js';
import type { Row } from './columns.js';
import { packEvents } from './event-log.js';
import { RECORD_FIELDS, recordTable } from './rows.js';
import type { StatementName, Statements } from './statements.js';
import { insertValues, isPlain, plainValues, STATE_CODE, TASK_COLUMNS } from './task-row.js';

/** The journal holds indexes into this list. */
const NAMES = [
  'insertTask',
  'insertPlainTask',
  'finishTask',
  'updateTask',
  'endTask',
  'insertLane',
  'countLane',
  'dropLane',
  'countOwner',
  'count',
  'insertAttempt',
  'dropChunks',
  'insertChunk',
  'upsertWorker',
  'upsertToken',
  'insertKind',
  'dropKinds',
  'insertBlobRef',
  'insertEvents',
  'bind',
  'unbind',
  'dropAttempt',
  'dropWorker',
  'dropToken',
] as const satisfies readonly StatementName[];

export type OperationName = (typeof NAMES)[number];
const CODE = Object.fromEntries(NAMES.map((name, code) => [name, code])) as Record<OperationName, number>;
/** Updates with the expected state and attempt: one that matches no row is a defect, since memory and disk disagree. */
const MATCHES_ONE = new Set<OperationName>(['finishTask', 'updateTask', 'endTask', 'countLane']);

export type Operation = readonly [code: number, values: readonly unknown[]];

const operation = (name: OperationName, ...values: unknown[]): Operation => [CODE[name], values];

/** @param held the state and attempt of its row as the tables hold it; null: it has none */
export function taskOperation(task: Task, held: Task['stored']): Operation {
  if (!held) {
    return isPlain(task) ? [CODE.insertPlainTask, plainValues(task)] : [CODE.insertTask, insertValues(task)];
  }
  if (held.state === 'running' && task.state === 'succeeded' && held.attempt === task.attempt && !task.outputBlobs) {
    return operation('finishTask', task.endedAt, task.output, task.seq, held.attempt);
  }
  const expected = [task.seq, STATE_CODE[held.state], held.attempt];
  const { attempt, failures, lost, worker, startedAt } = task;
  const state = STATE_CODE[task.state];
  if (task.endedAt === 0) {
    return operation('updateTask', state, attempt, failures, lost, worker, startedAt, task.dueAt || null, ...expected);
  }
  return operation(
    'endTask',
    state,
    attempt,
    failures,
    lost,
    worker,
    startedAt,
    task.endedAt,
    task.output,
    task.outputBlobs === null ? null : JSON.stringify(task.outputBlobs),
    task.error === null ? null : JSON.stringify(task.error),
    ...expected,
  );
}

export function lanesOperations({ newLanes }: Pick<Persist, 'newLanes'>): Operation[] {
  return newLanes.map(({ id, key, kind, constraints, owner }) =>
    operation('insertLane', id, key, kind, JSON.stringify(constraints), owner),
  );
}

/** Changes of the maintained counts. */
export function countOperations(counts: Pick<Persist, 'laneDeltas' | 'ownerDeltas' | 'endedDeltas'>): Operation[] {
  const operations: Operation[] = [];
  for (const [lane, { queued, open }] of counts.laneDeltas) {
    if (queued !== 0 || open !== 0) operations.push(operation('countLane', queued, open, lane));
  }
  for (const [owner, by] of counts.ownerDeltas) if (by !== 0) operations.push(operation('countOwner', owner, by));
  for (const [state, by] of counts.endedDeltas) operations.push(operation('count', `ended.${state}`, by));
  return operations;
}

/** How an attempt's state is stored: as its index. */
export const ATTEMPT_CODES = [
  'ended',
  'running',
  'stopping',
  'lost',
] as const satisfies readonly StoredAttempt['state'][];

export function attemptOperation(a: AttemptWrite): Operation {
  if (a.state === 'gone') return operation('dropAttempt', a.seq, a.attempt);
  const { code, message } = a.error ?? { code: '', message: '' };
  const state = ATTEMPT_CODES.indexOf(a.state);
  return [CODE.insertAttempt, [a.seq, a.attempt, a.worker, a.startedAt, a.endedAt, code, message, a.service, state]];
}

/** Everything else; to be run after the operations of tasks and counts. */
export function otherOperations(persist: Persist, wallMs: number): Operation[] {
  const operations: Operation[] = [];
  const add = (name: OperationName, ...values: unknown[]) => void operations.push(operation(name, ...values));
  for (const seq of persist.dropChunks) add('dropChunks', seq);
  for (const c of persist.chunks) add('insertChunk', c.seq, c.attempt, c.chunk, c.data);
  for (const field of RECORD_FIELDS) {
    if (persist[field].size === 0) continue;
    const { upsert, table } = recordTable(field);
    for (const record of persist[field]) add(upsert, table.encode(record));
  }
  for (const id of persist.dropWorkers) add('dropWorker', id);
  for (const id of persist.dropTokens) add('dropToken', id);
  for (const { kind, worker } of persist.kinds) add('insertKind', kind, worker);
  for (const worker of persist.dropKindsOf) add('dropKinds', worker);
  for (const [workload, binding] of persist.bindings) {
    if (binding) add('bind', workload, binding.worker, binding.runtime, binding.boundAt);
    else add('unbind', workload);
  }
  for (const { owner, blob, seq } of persist.blobRefs) add('insertBlobRef', owner, blob, seq);
  for (const lane of persist.droppedLanes) add('dropLane', lane);
  const { events } = persist;
  if (events.length > 0) {
    add('insertEvents', events[0]!.seq, events[events.length - 1]!.seq, wallMs, packEvents(events));
  }
  return operations;
}

/** Inside a transaction. @throws Error for an update that matches no row */
export function run(statements: Statements, operations: readonly Operation[]): void {
  for (const [code, values] of operations) {
    const name = NAMES[code];
    if (name === undefined) throw new Error(`the journal holds the operation ${code}, which a later version wrote`);
    const { changes } = statements[name].run(...values);
    if (changes !== 1 && MATCHES_ONE.has(name)) {
      throw new Error(
        `invariant: ${name} (${values.filter((v) => typeof v === 'number').join(', ')}) matched ${changes} rows`,
      );
    }
  }
}

const packr = new Packr({ useRecords: false });

export const packOperations = (operations: readonly Operation[]): Uint8Array => packr.pack(operations);

const RECORDS_BY_CODE = new Map(RECORD_FIELDS.map(recordTable).map(({ upsert, table }) => [CODE[upsert], table]));

/** Rows that an earlier version journalled lack the columns that came later. */
export function unpackOperations(bytes: Uint8Array): readonly Operation[] {
  return (packr.unpack(bytes) as Operation[]).map(([code, values]) => {
    const table = RECORDS_BY_CODE.get(code);
    if (table) return [code, [table.complete(values[0] as Row)]];
    // Without service and state, as long as only attempts that had ended were rows.
    if (code === CODE.insertAttempt && values.length === 7) return [code, [...values, '', 0]];
    if (code === CODE.insertTask) return [code, TASK_COLUMNS.map((_, i) => values[i] ?? null)];
    return [code, values];
  });
}
