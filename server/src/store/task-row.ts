/**
 * A task's row, to the core's record and back. Written by hand rather than as a table of codecs, since it is converted
 * for every task: `TASK_COLUMNS` is the one list of its columns.
 */
import { TASK_STATES, type TaskState } from '@rma/protocol/task-state';
import type { Task } from '../core/task.js';

export interface TaskRow {
  seq: number;
  id: string;
  owner: string;
  kind: string;
  lane: number;
  priority: number;
  state: number;
  attempt: number;
  failures: number;
  lost: number;
  worker: string | null;
  submitted_at: number;
  started_at: number;
  ended_at: number | null;
  due_at: number | null;
  options: string | null;
  blobs: string | null;
  output_blobs: string | null;
  error: string | null;
  input: Uint8Array;
  output: Uint8Array | null;
}

/** In the order of `insertValues`, which the journal keeps: a new column comes last. */
export const TASK_COLUMNS = [
  'seq',
  'id',
  'owner',
  'kind',
  'lane',
  'priority',
  'state',
  'attempt',
  'failures',
  'lost',
  'worker',
  'submitted_at',
  'started_at',
  'ended_at',
  'due_at',
  'options',
  'blobs',
  'output_blobs',
  'error',
  'input',
  'output',
] as const satisfies readonly (keyof TaskRow)[];

/** A state is stored as its index in TASK_STATES. */
export const STATE_CODE = Object.fromEntries(TASK_STATES.map((state, code) => [state, code])) as Record<
  TaskState,
  number
>;

const parse = <T>(text: string | null): T | null => (text === null ? null : (JSON.parse(text) as T));
const print = (value: unknown): string | null => (value === null ? null : JSON.stringify(value));

/** What is in other tables (chunks, earlier attempts) is at its start. */
export function taskFromRow(row: TaskRow): Task {
  const state = TASK_STATES[row.state]!;
  return {
    seq: row.seq,
    id: row.id,
    owner: row.owner,
    kind: row.kind,
    lane: row.lane,
    priority: row.priority,
    input: row.input,
    blobs: parse(row.blobs),
    options: parse(row.options),
    submittedAt: row.submitted_at,
    state,
    attempt: row.attempt,
    failures: row.failures,
    lost: row.lost,
    worker: row.worker,
    startedAt: row.started_at,
    endedAt: row.ended_at ?? 0,
    dueAt: row.due_at ?? 0,
    output: row.output,
    outputBlobs: parse(row.output_blobs),
    error: parse(row.error),
    triedOn: [],
    stored: { state, attempt: row.attempt },
    lastChunk: 0,
    chunkBytes: 0,
  };
}

/** A new task as almost all are: see {@link isPlain}. In the order of `insertPlainTask`. */
export function plainValues(task: Task): unknown[] {
  return [
    task.seq,
    task.id,
    task.owner,
    task.kind,
    task.lane,
    task.priority,
    STATE_CODE[task.state],
    task.attempt,
    task.worker,
    task.submittedAt,
    task.startedAt,
    task.input,
  ];
}

/** Without options, blobs or due time, and never failed: then more than half of its columns are NULL or 0. */
export function isPlain(task: Task): boolean {
  return (
    task.options === null &&
    task.blobs === null &&
    task.endedAt === 0 &&
    task.dueAt === 0 &&
    task.failures === 0 &&
    task.lost === 0
  );
}

/** In the order of {@link TASK_COLUMNS}. */
export function insertValues(task: Task): unknown[] {
  return [
    task.seq,
    task.id,
    task.owner,
    task.kind,
    task.lane,
    task.priority,
    STATE_CODE[task.state],
    task.attempt,
    task.failures,
    task.lost,
    task.worker,
    task.submittedAt,
    task.startedAt,
    task.endedAt || null,
    task.dueAt || null,
    print(task.options),
    print(task.blobs),
    print(task.outputBlobs),
    print(task.error),
    task.input,
    task.output,
  ];
}
