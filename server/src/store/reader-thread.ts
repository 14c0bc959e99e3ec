/** The thread that answers questions about the past, on a read-only connection of its own. */
import { parentPort, workerData } from 'node:worker_threads';
import { TASK_STATES, type TaskState } from '@rma/protocol/task-state';
import type { EventRecord } from '../core/effects.js';
import { type EventTask, unpackEvents } from './event-log.js';
import { readHistory } from './history-scan.js';
import type { Answer, Question, Said, StoredInput, StoredTask } from './reader.js';
import { openReader } from './sqlite.js';
import { STATE_CODE, type TaskRow } from './task-row.js';

/** Rows that one statement may look at: between two of them the clock is read, and nothing holds on to the log. */
const SCAN_ROWS = 20_000;

const { file, deadlineMs } = workerData as { file: string; deadlineMs: number };
const database = open(file);

function open(file: string): ReturnType<typeof openReader> {
  try {
    return openReader(file);
  } catch (error) {
    // A SqliteError loses its message on its way out of a thread.
    throw new Error(error instanceof Error ? error.message : String(error));
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

/** The newest first, a stretch of numbers at a time: what a filter leaves out costs time, too. */
function scanTasks(question: Extract<Question, { what: 'tasks' }>): StoredTask[] {
  const until = performance.now() + deadlineMs;
  const where = ['seq <= ? AND seq > ?'];
  const values: unknown[] = [];
  const add = (clause: string, value: unknown) => {
    where.push(clause);
    values.push(value);
  };
  if (question.owner !== undefined) add('owner = ?', question.owner);
  // Written out, so that the indexes of what waits and what runs serve it.
  if (question.state !== undefined) where.push(`state = ${STATE_CODE[question.state]}`);
  if (question.states !== undefined) {
    where.push(`state IN (${question.states.map((state) => STATE_CODE[state]).join()})`);
  }
  if (question.kind !== undefined) add('kind = ?', question.kind);
  if (question.worker !== undefined) add('worker = ?', question.worker);
  const bounds = database.prepare('SELECT coalesce(min(seq), 0) AS first, coalesce(max(seq), 0) AS last FROM tasks');
  const { first, last } = bounds.get() as { first: number; last: number };
  const before = question.before === undefined ? undefined : seqOf(question.before);
  const rows = database.prepare(`SELECT ${COLUMNS} FROM tasks WHERE ${where.join(' AND ')} ORDER BY seq DESC LIMIT ?`);
  const found: StoredTask[] = [];
  for (let from = before === undefined ? last : before - 1; from >= first; from -= SCAN_ROWS) {
    const part = rows.all(from, from - SCAN_ROWS, ...values, question.limit - found.length) as Row[];
    for (const row of part) found.push(taskOf(row));
    if (found.length >= question.limit) break;
    if (performance.now() > until) throw new Error(`the query took longer than ${deadlineMs} ms; narrow it`);
  }
  return found;
}

/** Of a task that is not there: as if it were before all. */
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

function answer(question: Question): unknown {
  switch (question.what) {
    case 'tasks':
      return scanTasks(question);
    case 'task': {
      const row = database.prepare(`SELECT ${COLUMNS} FROM tasks WHERE id = ?`).get(question.id) as Row | undefined;
      if (!row) return null;
      const attempts = database
        .prepare(
          'SELECT attempt, worker, started_at, ended_at, code, message FROM attempts WHERE seq = ? ORDER BY attempt',
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
      const output = database.prepare('SELECT output FROM tasks WHERE id = ?').pluck().get(question.id);
      return output ?? null;
    }
    case 'input':
      return readInput(question.id);
    case 'history':
      return readHistory(database, question, performance.now() + deadlineMs / 2);
    case 'events': {
      const rows = database.prepare('SELECT first, at, events FROM events WHERE last > ? ORDER BY first LIMIT 1000');
      const taskOf = database.prepare('SELECT id, owner, kind, priority FROM tasks WHERE seq = ?');
      const events: EventRecord[] = [];
      let last = question.since;
      for (const row of rows.iterate(question.since) as IterableIterator<{
        first: number;
        at: number;
        events: Buffer;
      }>) {
        for (const event of unpackEvents(row, (seq) => taskOf.get(seq) as EventTask | undefined)) {
          if (event.seq <= question.since || events.length >= question.limit) continue;
          last = event.seq;
          events.push(event);
        }
        if (events.length >= question.limit) break;
      }
      return { events, last };
    }
  }
}

parentPort?.on('message', ({ id, question }: { id: number; question: Question }) => {
  let reply: Answer;
  try {
    reply = { id, ok: true, value: answer(question) };
  } catch (error) {
    reply = { id, ok: false, message: error instanceof Error ? error.message : String(error) };
  }
  parentPort?.postMessage(reply);
});

parentPort?.postMessage('ready' satisfies Said);
