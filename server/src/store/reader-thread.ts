/** The thread that answers history queries, on a read-only connection of its own. */
import { parentPort, workerData } from 'node:worker_threads';
import { errorMessage } from '@rma/protocol/error';
import { TASK_STATES, type TaskState } from '@rma/protocol/task-state';
import type { EventRecord } from '../core/effects.js';
import { type EventTask, unpackEvents } from './event-log.js';
import { readHistory } from './history-scan.js';
import type { ReadReply, ReadRequest, StoredInput, StoredTask, ThreadMessage } from './reader.js';
import { openReader } from './sqlite.js';
import { STATE_CODE, type TaskRow } from './task-row.js';

/** Rows that one statement may visit: between two of them the clock is read, and the WAL can be reset. */
const SCAN_ROWS = 20_000;

const { file, deadlineMs } = workerData as { file: string; deadlineMs: number };
const database = open(file);

function open(file: string): ReturnType<typeof openReader> {
  try {
    return openReader(file);
  } catch (error) {
    // A SqliteError loses its message on its way out of a thread.
    throw new Error(errorMessage(error));
  }
}

const COLUMNS = `seq, id, owner, kind, lane, priority, state, attempt, worker, submitted_at, started_at, ended_at, due_at,
  options, error, length(input) AS input_bytes, length(output) AS output_bytes`;

type Row = Omit<TaskRow, 'failures' | 'lost' | 'blobs' | 'output_blobs' | 'input' | 'output'> & {
  readonly input_bytes: number;
  readonly output_bytes: number | null;
};

function taskOf(row: Row): StoredTask {
  const options =
    row.options === null ? null : (JSON.parse(row.options) as { constraints?: StoredTask['constraints'] });
  return {
    seq: row.seq,
    lane: row.lane,
    id: row.id,
    kind: row.kind,
    state: TASK_STATES[row.state] as TaskState,
    priority: row.priority,
    attempt: row.attempt,
    owner: row.owner,
    submittedAt: row.submitted_at,
    inputBytes: row.input_bytes,
    ...(row.worker === null ? {} : { worker: row.worker }),
    ...(row.started_at === 0 ? {} : { startedAt: row.started_at }),
    ...(row.ended_at === null ? {} : { endedAt: row.ended_at }),
    ...(row.due_at === null ? {} : { dueAt: row.due_at }),
    ...(row.error === null ? {} : { error: JSON.parse(row.error) }),
    ...(row.output_bytes === null ? {} : { outputBytes: row.output_bytes }),
    ...(options?.constraints ? { constraints: options.constraints } : {}),
  };
}

/** The newest first, SCAN_ROWS numbers at a time: rows that a filter rejects cost time, too. */
function scanTasks(request: Extract<ReadRequest, { what: 'tasks' }>): StoredTask[] {
  const until = performance.now() + deadlineMs;
  const where = ['seq <= ? AND seq > ?'];
  const values: unknown[] = [];
  const add = (clause: string, value: unknown) => {
    where.push(clause);
    values.push(value);
  };
  if (request.owner !== undefined) add('owner = ?', request.owner);
  // A literal rather than a parameter, so that the partial indexes of queued and running tasks can serve it.
  if (request.state !== undefined) where.push(`state = ${STATE_CODE[request.state]}`);
  if (request.states !== undefined) {
    where.push(`state IN (${request.states.map((state) => STATE_CODE[state]).join()})`);
  }
  if (request.kind !== undefined) add('kind = ?', request.kind);
  if (request.worker !== undefined) add('worker = ?', request.worker);
  // Two searches; a query with both `min` and `max` would visit every row.
  const bound = (of: 'min' | 'max') => (database.prepare(`SELECT ${of}(seq) FROM tasks`).pluck().get() as number) ?? 0;
  const first = bound('min');
  const last = bound('max');
  const before = request.before === undefined ? undefined : seqOf(request.before);
  const rows = database.prepare(`SELECT ${COLUMNS} FROM tasks WHERE ${where.join(' AND ')} ORDER BY seq DESC LIMIT ?`);
  const found: StoredTask[] = [];
  for (let from = before === undefined ? last : before - 1; from >= first; from -= SCAN_ROWS) {
    const part = rows.all(from, from - SCAN_ROWS, ...values, request.limit - found.length) as Row[];
    for (const row of part) found.push(taskOf(row));
    if (found.length >= request.limit) break;
    if (performance.now() > until) throw new Error(`the query took longer than ${deadlineMs} ms; narrow it`);
  }
  return found;
}

/** A task's number; 0, which is before all, for one that is not there. */
function seqOf(id: string): number {
  return (database.prepare('SELECT seq FROM tasks WHERE id = ?').pluck().get(id) as number | undefined) ?? 0;
}

function readInput(id: string): StoredInput | null {
  const row = database.prepare('SELECT kind, owner, priority, input, blobs, options FROM tasks WHERE id = ?').get(id) as
    | { kind: string; owner: string; priority: number; input: Buffer; blobs: string | null; options: string | null }
    | undefined;
  if (!row) return null;
  const { blobs, options, ...rest } = row;
  return {
    ...rest,
    blobs: blobs === null ? null : JSON.parse(blobs),
    options: options === null ? null : JSON.parse(options),
  };
}

function answer(request: ReadRequest): unknown {
  switch (request.what) {
    case 'tasks':
      return scanTasks(request);
    case 'task': {
      const row = database.prepare(`SELECT ${COLUMNS} FROM tasks WHERE id = ?`).get(request.id) as Row | undefined;
      if (!row) return null;
      const attempts = database
        .prepare(
          'SELECT attempt, worker, started_at, ended_at, code, message FROM attempts WHERE seq = ? AND ended_at > 0 ORDER BY attempt',
        )
        .all(row.seq) as {
        attempt: number;
        worker: string;
        started_at: number;
        ended_at: number;
        code: string;
        message: string;
      }[];
      return {
        task: taskOf(row),
        attempts: attempts.map((a) => ({
          attempt: a.attempt,
          worker: a.worker,
          startedAt: a.started_at,
          endedAt: a.ended_at,
          error: { code: a.code, message: a.message },
        })),
      };
    }
    case 'output': {
      const output = database.prepare('SELECT output FROM tasks WHERE id = ?').pluck().get(request.id);
      return output ?? null;
    }
    case 'input':
      return readInput(request.id);
    case 'history':
      return readHistory(database, request, performance.now() + deadlineMs / 2);
    case 'events': {
      // From the row that holds number `since + 1`, found by its key: `last` has no index.
      const rows = database.prepare(`SELECT first, at, events FROM events
        WHERE first >= coalesce((SELECT max(first) FROM events WHERE first <= ? + 1), 0) ORDER BY first LIMIT 1000`);
      const taskOf = database.prepare('SELECT id, owner, kind, priority FROM tasks WHERE seq = ?');
      const events: EventRecord[] = [];
      let last = request.since;
      for (const row of rows.iterate(request.since) as IterableIterator<{
        first: number;
        at: number;
        events: Buffer;
      }>) {
        for (const event of unpackEvents(row, (seq) => taskOf.get(seq) as EventTask | undefined)) {
          if (event.seq <= request.since || events.length >= request.limit) continue;
          last = event.seq;
          events.push(event);
        }
        if (events.length >= request.limit) break;
      }
      return { events, last };
    }
  }
}

parentPort?.on('message', ({ id, request }: { id: number; request: ReadRequest }) => {
  let reply: ReadReply;
  try {
    reply = { id, ok: true, value: answer(request) };
  } catch (error) {
    reply = { id, ok: false, message: errorMessage(error) };
  }
  parentPort?.postMessage(reply);
});

parentPort?.postMessage('ready' satisfies ThreadMessage);
